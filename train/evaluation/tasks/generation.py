"""Texts that are generated: closed-book answers (LLaMA, Tables 4 and 5), reading (Llama 2), BIG-Bench Hard (Llama 2).

Prompts of `Format.PAPER` are LLaMA's where its appendix prints one, else GPT-3's (appendix G). Solved examples come
from files, never from here; `--examples TASK=PATH` names them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import PurePath
from typing import Any, Final

from train.evaluation.grading import answers
from train.evaluation.tasks.kinds import (
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
_SHORT: Final = Decoding(32)  # the papers state no length; an answer of NaturalQuestions has at most five words
HARNESS_LENGTH: Final = 256  # lm-evaluation-harness' own, where a task has none
_PHRASE: Final = Decoding(HARNESS_LENGTH, ("\n", ".", ","))
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
    # Articles go there with the space behind them, before letters become small.
    def plain(answer: str) -> str:
        return answers.without_punctuation(_HARNESS_ARTICLES.sub("", answer) if articles else answer)

    return {"exact_match": float(plain(text.strip()) in map(plain, prompt.references))}


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
        "natural_questions",
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
                _closed_shots(0, "\n", Drawn.HARNESS_MORE, "Answer these questions:\n\n"),
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
                Shots(drawn=Drawn.HARNESS_MORE),
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
                Decoding(HARNESS_LENGTH),
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
                Decoding(HARNESS_LENGTH, ("</s>", "Q", "\n\n")),
                mean(_bbh_harness),
                Shots(3, description=_bbh_described),
            ),
        ),
        split="test",
        unfold=bbh_rows,
        of_path=_bbh_part,
    ),
)
