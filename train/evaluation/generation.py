"""Texts that are generated: closed-book answers (LLaMA, Tables 4 and 5), reading, arithmetic, mathematics (Table 7).

Prompts of `Format.PAPER` are LLaMA's where its appendix prints one, else those of the papers that it compares with:
GPT-3's appendix G, Wei et al. 2022 for GSM8k and Minerva's appendix for MATH. Solved examples come from files, never
from here; `--examples TASK=PATH` names them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import PurePath
from typing import Any, Final

from train.evaluation import answers, symbolic
from train.evaluation.estimates import majority
from train.evaluation.tasks import (
    GPT3,
    HARNESS,
    Decoding,
    Drawn,
    Generation,
    Prompt,
    Row,
    Shots,
    Task,
    both,
)

LLAMA_A: Final = "LLaMA, appendix A"
WEI: Final = "Wei et al. 2022"
MINERVA: Final = "Minerva, appendix D"
_SHORT: Final = Decoding(32)  # the papers state no length; an answer of NaturalQuestions has at most five words
_HARNESS_LENGTH: Final = 256  # lm-evaluation-harness' own, where a task has none
_PHRASE: Final = Decoding(_HARNESS_LENGTH, ("\n", ".", ","))
_HARNESS_ARTICLES: Final = re.compile(r"\b(?:The |the |An |A |The |a |an )")

Score = Callable[[Prompt, Sequence[str]], Mapping[str, float]]


def mean(of_one: Callable[[Prompt, str], Mapping[str, float]]) -> Score:
    """Return what scores the continuations of a prompt one by one, and takes the mean."""

    def score(prompt: Prompt, continuations: Sequence[str]) -> Mapping[str, float]:
        scored = [of_one(prompt, text) for text in continuations]
        return {name: sum(one[name] for one in scored) / len(scored) for name in scored[0]}

    return score


def texts(value: Any, field: str) -> tuple[str, ...]:
    """Return a field's list of texts; raise ValueError if it is none, or empty."""
    found = list(value) if isinstance(value, list | tuple) else None
    if not found or not all(isinstance(text, str) for text in found):
        raise ValueError(f"field {field} is {str(value)[:60]!r}; a list of texts is expected")
    return tuple(found)


def text_of(row: Row, field: str) -> str:
    """Return a field's text; raise ValueError if it holds something else."""
    if not isinstance(row[field], str):
        raise ValueError(f"field {field} is {str(row[field])[:60]!r}; a text is expected")
    return str(row[field])


def asked(row: Row) -> str:
    """Return a row's question with one question mark."""
    return text_of(row, "question").strip().rstrip("?").rstrip() + "?"


# --- closed book -----------------------------------------------------------------------------------------------------


def _natural_answers(row: Row) -> tuple[str, ...]:
    return texts(row["answer"], "answer")


def trivia_rows(rows: Sequence[Row]) -> list[Row]:
    """Return a row for each question, of the published file of TriviaQA or of rows that are questions already."""
    return [question for row in rows for question in (_trivia_file(row) if "Data" in row else [row])]


def _trivia_file(file: Row) -> list[Row]:
    return [
        {
            "question": one["Question"],
            "question_id": one["QuestionId"],
            "answer": {"value": one["Answer"]["Value"], "aliases": one["Answer"]["Aliases"]},
        }
        for one in file["Data"]
    ]


def _trivia_aliases(row: Row) -> tuple[str, ...]:
    answer = row["answer"]
    if not isinstance(answer, Mapping):
        raise ValueError(f"field answer is {str(answer)[:60]!r}; an object with value and aliases is expected")
    return texts(answer["aliases"], "answer")


def _trivia_answers(row: Row) -> tuple[str, ...]:
    aliases = _trivia_aliases(row)
    return tuple(dict.fromkeys((row["answer"]["value"], *aliases)))


def _closed(question: str, references: Sequence[str]) -> Prompt:
    return Prompt(question, tuple(references), f" {references[0]}")


def _closed_paper(row: Row, references: Callable[[Row], tuple[str, ...]]) -> Prompt:
    return _closed(f"Q: {asked(row)}\nA:", references(row))


def _exact(prompt: Prompt, text: str) -> Mapping[str, float]:
    return {"exact_match": float(answers.is_any(answers.first_phrase(text), prompt.references))}


def _harness_exact(prompt: Prompt, text: str, articles: bool) -> Mapping[str, float]:
    # Only spaces in front are taken away there, and articles with the space behind them.
    def plain(answer: str) -> str:
        return answers.without_punctuation(_HARNESS_ARTICLES.sub("", answer) if articles else answer)

    return {"exact_match": float(plain(text.lstrip()) in map(plain, prompt.references))}


def _closed_shots(count: int, separator: str, drawn: Drawn, description: str) -> Shots:
    return Shots(count, "train", separator, drawn, description=lambda row: description)


_CLOSED_PAPER: Final = _closed_shots(5, "\n", Drawn.FIRST, "Answer these questions:\n")


# --- reading ---------------------------------------------------------------------------------------------------------


def squad_rows(rows: Sequence[Row]) -> list[Row]:
    """Return a row for each question, of the published file of SQuAD or of rows that are questions already."""
    return [question for row in rows for question in (_squad_document(row) if "data" in row else [row])]


def _squad_document(document: Row) -> list[Row]:
    return [
        {
            "title": article["title"],
            "context": paragraph["context"],
            "question": question["question"],
            "answers": {"text": [answer["text"] for answer in question["answers"]]},
        }
        for article in document["data"]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]


def _squad(row: Row, ask: str) -> Prompt:
    found = row["answers"]["text"]
    references = texts(found, "answers") if len(found) else ("unanswerable",)
    text = f"Title: {row['title']}\n\nBackground: {row['context']}\n\n{ask.format(row['question'])}"
    return Prompt(text, references, f" {references[0]}")


def _words(prompt: Prompt, text: str) -> Mapping[str, float]:
    line = answers.first_line(text)
    return {"exact_match": float(answers.is_any(line, prompt.references)), "f1": answers.f1(line, prompt.references)}


def quac_rows(rows: Sequence[Row]) -> list[Row]:
    """Return a row for each question of QuAC with those before it, of the published file or of one row a dialogue."""
    dialogues = [dialogue for row in rows for dialogue in (_quac_document(row) if "data" in row else [_quac(row)])]
    return [
        {**dialogue, "turns": dialogue["turns"][: n + 1]}
        for dialogue in dialogues
        for n in range(len(dialogue["turns"]))
    ]


def _quac_document(document: Row) -> list[dict[str, Any]]:
    return [
        {
            "title": article["title"],
            "section": article["section_title"],
            "context": paragraph["context"],
            "turns": [
                (
                    one["question"],
                    one["orig_answer"]["text"],
                    [answer["text"] for answer in one["answers"]],
                )
                for one in paragraph["qas"]
            ],
        }
        for article in document["data"]
        for paragraph in article["paragraphs"]
    ]


def _quac(row: Row) -> dict[str, Any]:
    each = zip(row["questions"], row["orig_answers"]["texts"], row["answers"]["texts"], strict=True)
    return {
        "title": row["wikipedia_page_title"],
        "section": row["section_title"],
        "context": row["context"],
        "turns": list(each),
    }


def _quac_prompt(row: Row) -> Prompt:
    *before, (question, answer, references) = row["turns"]
    solved = "".join(f"Q: {one}\n\nA: {said}\n\n" for one, said, _ in before)
    head = f"TITLE: {row['title']} - {row['section']}\nPARAGRAPH: {row['context']}\n\n"
    return Prompt(f"{head}{solved}Q: {question}\n\nA:", texts(references, "answers"), f" {answer}")


def _f1(prompt: Prompt, text: str) -> Mapping[str, float]:
    return {"f1": answers.f1(answers.first_line(text), prompt.references)}


# --- arithmetic ------------------------------------------------------------------------------------------------------

_CALCULATED: Final = re.compile(r"<<[^<>\n]*>>")
_STRICT: Final = re.compile(r"#### (-?[0-9.,]+)")
_FLEXIBLE: Final = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")


def _gsm_solution(row: Row) -> tuple[str, str]:
    """Return the steps and the answer of a row's solution: GSM8k's own, or one that ends as Wei et al.'s do."""
    solution = text_of(row, "answer" if "answer" in row else "target")
    steps, mark, right = solution.rpartition("####")
    if not mark:
        steps, mark, right = solution.rpartition("The answer is ")
    if not mark or not any(map(str.isdigit, right)):
        raise ValueError(f"field answer has no '#### NUMBER': {solution[-40:]!r}")
    return steps.strip(), right.strip()


def _gsm_paper(row: Row) -> Prompt:
    steps, right = _gsm_solution(row)
    told = " ".join(_CALCULATED.sub("", steps).split())
    solution = f" {told} The answer is {answers.plain_number(right)}."
    return Prompt(f"Q: {row['question']}\nA:", (answers.plain_number(right),), solution)


def _gsm_harness(row: Row) -> Prompt:
    _gsm_solution(row)
    return Prompt(f"Question: {row['question']}\nAnswer:", (row["answer"],), f" {row['answer']}")


def _number(prompt: Prompt, text: str) -> Mapping[str, float]:
    return {"exact_match": float(answers.number(text) == prompt.references[0])}


def _number_of_most(prompt: Prompt, continuations: Sequence[str]) -> Mapping[str, float]:
    found = [answers.number(text) for text in continuations]
    share = sum(answer == prompt.references[0] for answer in found) / len(found)
    return {f"maj1@{len(found)}": float(majority(found) == prompt.references[0]), "pass@1": share}


def strict_number(text: str) -> str:
    """Return the number behind "#### " as lm-evaluation-harness takes it."""
    found = _STRICT.search(text)
    return found[1].strip() if found else "[invalid]"


def flexible_number(text: str) -> str:
    """Return the last number as lm-evaluation-harness takes it: dollars, dots and commas are part of it."""
    found = _FLEXIBLE.findall(text)
    return next(part for part in found[-1] if part).strip() if found else "[invalid]"


def _harness_number(text: str) -> str:
    bare = text.replace(",", "").replace("$", "").rpartition("#### ")[2]
    return re.sub(r"\.$", "", bare).lower()


def _harness_numbers(prompt: Prompt, text: str) -> Mapping[str, float]:
    right = _harness_number(prompt.references[0])
    return {
        "exact_match": float(_harness_number(strict_number(text)) == right),
        "exact_match (flexible)": float(_harness_number(flexible_number(text)) == right),
    }


_GSM_PAPER: Final = partial(Generation, WEI, _gsm_paper, shots=Shots(8))
_GSM_TEXT: Final = Decoding(256, ("\nQ:", "\n\n"))
_SAMPLED: Final = {"temperature": 0.6, "top_p": 0.95}  # Minerva, section 2.3; LLaMA states none


# --- mathematics -----------------------------------------------------------------------------------------------------


def _math(row: Row, spelling: Callable[[str], str]) -> Prompt:
    solution = text_of(row, "solution")
    right = answers.boxed(solution)
    if right is None:
        raise ValueError(f"field solution has no \\boxed answer: {solution[-40:]!r}")
    shown = solution
    if answers.final_answer(solution) is None:
        shown = f"{solution}\nFinal Answer: The final answer is ${right}$. I hope it is correct."
    return Prompt(f"Problem:\n{row['problem']}\n\nSolution:", (spelling(right),), f" {shown}")


def _spelt(text: str, spelling: Callable[[str], str]) -> str | None:
    found = answers.final_answer(text)
    return None if found is None else spelling(found)


def _mathematics(prompt: Prompt, text: str, spelling: Callable[[str], str]) -> Mapping[str, float]:
    found = _spelt(text, spelling)
    return {"exact_match": float(found is not None and symbolic.equal(found, prompt.references[0]))}


def _mathematics_of_most(prompt: Prompt, continuations: Sequence[str]) -> Mapping[str, float]:
    found = [_spelt(text, answers.minerva) for text in continuations]
    best = majority(found)
    right = best is not None and symbolic.equal(best, prompt.references[0])
    return {f"maj1@{len(found)}": float(right)}


_math_paper = partial(_math, spelling=answers.minerva)
_math_harness = partial(_math, spelling=answers.minerva_corrected)
_MATH_TEXT: Final = Decoding(512, ("Problem:",))


# --- BIG-Bench Hard --------------------------------------------------------------------------------------------------

_BBH_ANSWER: Final = re.compile(r"the answer is ([^\n]*)")


def bbh_rows(rows: Sequence[Row]) -> list[Row]:
    """Return a row for each example of a published file, which holds a list of them, or the rows that there are."""
    return [
        {**row, **example}
        for row in rows
        for example in (row["examples"] if isinstance(row.get("examples"), list) else [{}])
    ]


def _bbh(row: Row) -> Prompt:
    target = text_of(row, "target")
    reasons = text_of(row, "reasons") if row.get("reasons") else target
    return Prompt(f"Q: {row['input']}\nA:", (target,), f" {reasons}", (row.get("part", ""),))


def _bbh_described(row: Row) -> str:
    return f"{row['description']}\n\n" if row.get("description") else ""


def _bbh_part(path: PurePath) -> Row:
    return {"part": path.parts[-1].partition(".")[0]}


def _bbh_exact(prompt: Prompt, text: str) -> Mapping[str, float]:
    """Score the answer that reasons lead to, where there are reasons, else the first line."""
    found = _BBH_ANSWER.search(text)
    said = found[1].strip().removesuffix(".") if found else answers.first_line(text)
    return {"exact_match": float(said == prompt.references[0])}


def _bbh_harness(prompt: Prompt, text: str) -> Mapping[str, float]:
    return {"exact_match": float(text == prompt.references[0])}


TASKS = (
    Task(
        "naturalquestions",
        "NaturalQuestions",
        ("question", "answer"),
        both(
            Generation(
                LLAMA_A, partial(_closed_paper, references=_natural_answers), _SHORT, mean(_exact), _CLOSED_PAPER
            ),
            Generation(
                HARNESS,
                lambda row: _closed(f"Q: {text_of(row, 'question')}?\nA:", _natural_answers(row)),
                _PHRASE,
                mean(partial(_harness_exact, articles=True)),
                _closed_shots(0, "\n", Drawn.HARNESS, "Answer these questions:\n\n"),
            ),
        ),
    ),
    Task(
        "triviaqa",
        "TriviaQA",
        ("question|Data", "question_id|Data", "answer|Data"),
        both(
            Generation(
                LLAMA_A, partial(_closed_paper, references=_trivia_answers), _SHORT, mean(_exact), _CLOSED_PAPER
            ),
            Generation(
                HARNESS,
                lambda row: _closed(f"Question: {text_of(row, 'question')}?\nAnswer:", _trivia_aliases(row)),
                _PHRASE,
                mean(partial(_harness_exact, articles=False)),
                Shots(drawn=Drawn.HARNESS),
            ),
        ),
        unfold=trivia_rows,
    ),
    Task(
        "squad",
        "SQuAD",
        ("context|data", "question|data", "answers|data"),
        both(
            Generation(GPT3, partial(_squad, ask="Q: {}\n\nA:"), _SHORT, mean(_words)),
            Generation(
                HARNESS,
                partial(_squad, ask="Question: {}\n\nAnswer:"),
                Decoding(_HARNESS_LENGTH),
                mean(_words),
                Shots(drawn=Drawn.HARNESS),
            ),
        ),
        unfold=squad_rows,
    ),
    Task(
        "quac",
        "QuAC",
        ("data|questions", "data|orig_answers"),
        both(*[Generation(GPT3, _quac_prompt, Decoding(64), mean(_f1))] * 2),
        unfold=quac_rows,
    ),
    Task(
        "gsm8k",
        "GSM8k",
        ("question", "answer|target"),
        both(
            _GSM_PAPER(decoding=_GSM_TEXT, score=mean(_number)),
            Generation(
                HARNESS,
                _gsm_harness,
                Decoding(_HARNESS_LENGTH, ("Question:", "</s>", "<|im_end|>")),
                mean(_harness_numbers),
                Shots(5, drawn=Drawn.HARNESS),
            ),
        ),
        split="test",
    ),
    Task(
        "gsm8k_majority",
        "GSM8k, maj1@100",
        ("question", "answer|target"),
        both(
            *[
                _GSM_PAPER(
                    decoding=Decoding(_GSM_TEXT.length, _GSM_TEXT.stop, samples=100, **_SAMPLED), score=_number_of_most
                )
            ]
            * 2
        ),
        split="test",
    ),
    Task(
        "math",
        "MATH",
        ("problem", "solution"),
        both(
            Generation(
                MINERVA, _math_paper, _MATH_TEXT, mean(partial(_mathematics, spelling=answers.minerva)), Shots(4)
            ),
            Generation(
                HARNESS,
                _math_harness,
                Decoding(_HARNESS_LENGTH, ("Problem:",)),
                mean(partial(_mathematics, spelling=answers.minerva_corrected)),
                Shots(4),
            ),
        ),
        split="test",
    ),
    Task(
        "math_majority",
        "MATH, maj1@256",
        ("problem", "solution"),
        both(
            *[
                Generation(
                    MINERVA,
                    _math_paper,
                    Decoding(_MATH_TEXT.length, _MATH_TEXT.stop, samples=256, **_SAMPLED),
                    _mathematics_of_most,
                    Shots(4),
                )
            ]
            * 2
        ),
        split="test",
    ),
    Task(
        "bbh",
        "BIG-Bench Hard",
        ("input|examples", "target|examples"),
        both(
            Generation(
                "Suzgun et al. 2022",
                _bbh,
                Decoding(512, ("\n\n", "\nQ:")),
                mean(_bbh_exact),
                Shots(3, description=_bbh_described),
            ),
            Generation(
                HARNESS,
                _bbh,
                Decoding(_HARNESS_LENGTH, ("</s>", "Q", "\n\n")),
                mean(_bbh_harness),
                Shots(3, description=_bbh_described),
            ),
        ),
        split="test",
        unfold=bbh_rows,
        of_path=_bbh_part,
    ),
)
