"""Multiple choice: common sense (LLaMA, Table 3; CommonsenseQA of Llama 2), reading (Table 6), MMLU and AGIEval.

Prompts of `Format.PAPER` are GPT-3's (appendix G) where it has the task, for LLaMA's paper prints none; its section 3
says how choices are compared: by characters, but OpenBookQA and BoolQ by their likelihood after "Answer:".
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from train.evaluation.tasks.kinds import (
    GPT3,
    HARNESS,
    OURS,
    Likelihood,
    Normalisation,
    Question,
    Row,
    Shots,
    Task,
    both,
)
from train.evaluation.tasks.knowledge import GROUP_OF

_CHARACTERS, _UNCONDITIONAL = Normalisation.CHARACTERS, Normalisation.UNCONDITIONAL
LETTERS = "ABCDEFGHIJ"


def asked(context: str, choices: Sequence[str], answer: int, *groups: str) -> Question:
    """Return a question of one context and one right answer."""
    return Question((context,) * len(choices), tuple(choices), (answer,), groups)


def place(row: Row, field: str, among: Sequence[Any]) -> int:
    """Return where a field's value stands among others; raise ValueError naming the field and the value."""
    value = row[field].strip() if isinstance(row[field], str) else row[field]
    if value not in among:
        raise ValueError(f"field {field} is {row[field]!r}; one of {', '.join(map(repr, among))} is expected")
    return list(among).index(value)


def number(row: Row, field: str, first: int = 0) -> int:
    """Return the answer that a field gives as a number, counted from `first`; raise ValueError if it gives none."""
    try:
        return int(row[field]) - first
    except (TypeError, ValueError):
        raise ValueError(f"field {field} is {row[field]!r}, no number of a choice") from None


# --- common sense ----------------------------------------------------------------------------------------------------


def _yes(row: Row) -> int:
    value = str(row["answer" if "answer" in row else "label"]).lower()
    known = {"true": 1, "yes": 1, "1": 1, "false": 0, "no": 0, "0": 0}
    if value not in known:
        raise ValueError(f"the answer is {value!r}; true or false is expected")
    return known[value]


def _boolq_paper(row: Row) -> Question:
    return asked(f"{row['passage']}\nquestion: {row['question']}?\nanswer:", ("no", "yes"), _yes(row))


def _boolq_harness(row: Row) -> Question:
    return asked(f"{row['passage']}\nQuestion: {row['question']}?\nAnswer:", ("no", "yes"), _yes(row))


def _piqa(context: str, row: Row) -> Question:
    return asked(context, (row["sol1"], row["sol2"]), number(row, "label"))


def _siqa(context: str, row: Row) -> Question:
    return asked(context, [row[f"answer{letter}"] for letter in "ABC"], number(row, "label", 1))


def _hellaswag_paper(row: Row) -> Question:
    return asked(f"{row['activity_label']}: {row['ctx']}", row["endings"], number(row, "label"))


def _without_brackets(text: str) -> str:
    # Marks of WikiHow's headings; the harness takes out one of each two spaces, in one pass.
    bare = re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". "))
    return bare.replace("  ", " ")


def _hellaswag_harness(row: Row) -> Question:
    context = f"{row['activity_label']}: {row['ctx_a']} {row['ctx_b'].capitalize()}"
    return asked(_without_brackets(context), [_without_brackets(text) for text in row["endings"]], number(row, "label"))


def _winogrande(row: Row) -> Question:
    before, gap, after = row["sentence"].partition("_")
    if not gap:
        raise ValueError("field sentence has no _ where an option goes")
    contexts = tuple(before + row[name] for name in ("option1", "option2"))
    return Question(contexts, (after.strip(),) * 2, (number(row, "answer", 1),))


def _listed(row: Row, context: str) -> Question:
    choices = row["choices"]
    return asked(context, choices["text"], place(row, "answerKey", choices["label"]))


def _arc(row: Row) -> Question:
    return _listed(row, f"Question: {row['question']}\nAnswer:")


def _openbookqa(row: Row) -> Question:
    return _listed(row, row["question_stem"])


def lettered(question: str, choices: Sequence[str]) -> str:
    """Return a question with its choices under letters, and where the answer goes."""
    lines = (f"{letter}. {choice}\n" for letter, choice in zip(LETTERS, choices, strict=False))
    return f"{question}\n{''.join(lines)}Answer:"


def _commonsense_harness(row: Row) -> Question:
    choices = row["choices"]["text"]
    context = "Question: " + lettered(row["question"].strip(), choices)
    return asked(context, LETTERS[: len(choices)], place(row, "answerKey", LETTERS[: len(choices)]))


# --- reading ---------------------------------------------------------------------------------------------------------


def race_rows(rows: Sequence[Row]) -> list[Row]:
    """Return a row for each question of RACE: its article, and all questions of the article up to it.

    The published files hold an article with its questions; Hugging Face's hold a question each, those of an article
    behind each other; the harness' hold an article whose `problems` are a list that is written out.
    """
    articles: list[tuple[str, list[Row]]] = []
    for row in rows:
        if not articles or "question" not in row or articles[-1][0] != row["article"]:
            articles.append((row["article"], []))
        articles[-1][1].extend(_problems(row))
    return [
        {"article": article, "problems": problems[: n + 1], "last": n + 1 == len(problems)}
        for article, problems in articles
        for n in range(len(problems))
    ]


def _problems(row: Row) -> list[Row]:
    if "problems" in row:
        # Lists of Python's, written out: read as literals, nothing of them is run.
        given = row["problems"]
        return list(ast.literal_eval(given) if isinstance(given, str) else given)
    if "questions" in row:
        each = zip(row["questions"], row["options"], row["answers"], strict=True)
        return [{"question": question, "options": options, "answer": answer} for question, options, answer in each]
    return [{"question": row["question"], "options": row["options"], "answer": row["answer"]}]


def _race_answer(problem: Row) -> int:
    return place(problem, "answer", LETTERS[: len(problem["options"])])


def _race_paper(row: Row) -> Question:
    *before, last = row["problems"]
    solved = "".join(f"Q: {one['question']}\n\nA: {one['options'][_race_answer(one)]}\n\n" for one in before)
    context = f"Article:\n{row['article']}\n\n{solved}Q: {last['question']}\n\nA:"
    return asked(context, last["options"], _race_answer(last))


def _race_harness(row: Row) -> Question:
    *before, last = row["problems"]
    text = f"Article: {row['article']}\n\n"
    for one in before:
        answer = one["options"][_race_answer(one)]
        blank = one["question"].endswith("  _  .")
        text += f"{one['question'][:-5]}{answer}\n" if blank else f"Question: {one['question']}\nAnswer: {answer}\n"
    return asked(text + last["question"], last["options"], _race_answer(last))


# --- knowledge -------------------------------------------------------------------------------------------------------


def _mmlu_subject(path: PurePath) -> Row:
    """Return the subject that a file's path names: its own name, or that of its folder."""
    for part in reversed(path.parts):
        name = re.sub(r"(?:_(?:dev|test|val))?(?:\.\w+)*$", "", part)
        if name in GROUP_OF:
            return {"subject": name}
    return {}


def _mmlu_choices(row: Row) -> list[str]:
    return list(row["choices"]) if "choices" in row else [row[letter] for letter in "ABCD"]


def _mmlu(row: Row, question: str) -> Question:
    choices = _mmlu_choices(row)
    letters = LETTERS[: len(choices)]
    answer = row["answer"]
    right = place(row, "answer", letters) if str(answer).strip() in letters else number(row, "answer")
    subject = row["subject"]
    if subject not in GROUP_OF:
        raise ValueError(f"field subject is {subject!r}, none of MMLU's {len(GROUP_OF)}")
    return asked(lettered(question, choices), letters, right, GROUP_OF[subject], subject)


def _mmlu_described(row: Row) -> str:
    subject = row["subject"].replace("_", " ")
    return f"The following are multiple choice questions (with answers) about {subject}.\n\n"


def _mmlu_described_paper(row: Row) -> str:
    # The benchmark's own code puts a space before each word of the subject: there are two behind "about".
    return _mmlu_described(row).replace("about ", "about  ", 1)


def _agieval_query(row: Row) -> str:
    if "query" in row:
        return str(row["query"])
    last = LETTERS[len(row["options"]) - 1]
    return (
        f"{row['passage'] or ''}Q: {row['question']} Answer Choices: {' '.join(row['options'])}\n"
        f"A: Among A through {last}, the answer is"
    )


def _agieval_right(row: Row, choices: Sequence[str]) -> tuple[int, ...]:
    if "gold" in row:
        return tuple(row["gold"]) if isinstance(row["gold"], list) else (number(row, "gold"),)
    return (place(row, "label", LETTERS[: len(choices)]),)


def _agieval(row: Row, letters: bool) -> Question:
    choices = row["choices"] if "choices" in row else row["options"]
    if not choices:
        raise ValueError("there are no choices: tasks with free answers are not scored here")
    shown = LETTERS[: len(choices)] if letters else choices
    context = _agieval_query(row)
    return Question((context,) * len(shown), tuple(shown), _agieval_right(row, choices), (row.get("part", ""),))


def _agieval_part(path: PurePath) -> Row:
    return {"part": path.parts[-1].partition(".")[0]}


_ARC = both(Likelihood(GPT3, _arc, _CHARACTERS), Likelihood(HARNESS, _arc, _CHARACTERS))
_LISTED = ("choices", "answerKey")
_RACE = both(
    Likelihood(GPT3, _race_paper, _UNCONDITIONAL, unconditional="A:"),
    Likelihood(HARNESS, _race_harness, only=lambda row: bool(row["last"])),
)

TASKS = (
    Task(
        "boolq",
        "BoolQ",
        ("passage", "question", "answer|label"),
        both(Likelihood(GPT3, _boolq_paper, _UNCONDITIONAL), Likelihood(HARNESS, _boolq_harness)),
    ),
    Task(
        "piqa",
        "PIQA",
        ("goal", "sol1", "sol2", "label"),
        both(
            Likelihood(GPT3, lambda row: _piqa(row["goal"], row), _CHARACTERS),
            Likelihood(HARNESS, lambda row: _piqa(f"Question: {row['goal']}\nAnswer:", row), _CHARACTERS),
        ),
    ),
    Task(
        "siqa",
        "SIQA",
        ("context", "question", "answerA", "answerB", "answerC", "label"),
        both(
            Likelihood(
                OURS,
                lambda row: _siqa(f"{row['context']}\nQuestion: {row['question']}\nAnswer:", row),
                _CHARACTERS,
            ),
            Likelihood(HARNESS, lambda row: _siqa(f"Q: {row['context']} {row['question']}\nA:", row)),
        ),
    ),
    Task(
        "hellaswag",
        "HellaSwag",
        ("activity_label", "ctx", "ctx_a", "ctx_b", "endings", "label"),
        both(Likelihood(GPT3, _hellaswag_paper, _CHARACTERS), Likelihood(HARNESS, _hellaswag_harness, _CHARACTERS)),
    ),
    Task(
        "winogrande",
        "WinoGrande",
        ("sentence", "option1", "option2", "answer"),
        both(Likelihood(GPT3, _winogrande), Likelihood(HARNESS, _winogrande)),
    ),
    Task("arc_easy", "ARC easy", ("question", *_LISTED), _ARC, split="test"),
    Task("arc_challenge", "ARC challenge", ("question", *_LISTED), _ARC, split="test"),
    Task(
        "openbookqa",
        "OpenBookQA",
        ("question_stem", *_LISTED),
        both(Likelihood(GPT3, _openbookqa, _UNCONDITIONAL), Likelihood(HARNESS, _openbookqa, _CHARACTERS)),
        split="test",
    ),
    Task(
        "commonsense_qa",
        "CommonsenseQA",
        ("question", "question_concept", *_LISTED),
        both(
            Likelihood(OURS, _arc, _CHARACTERS, shots=Shots(7)),  # Llama 2, section 2.3: 7-shot
            Likelihood(HARNESS, _commonsense_harness),
        ),
    ),
    Task(
        "race_middle",
        "RACE middle",
        ("article", "problems|questions|question"),
        _RACE,
        split="test",
        unfold=race_rows,
    ),
    Task(
        "race_high",
        "RACE high",
        ("article", "problems|questions|question"),
        _RACE,
        split="test",
        unfold=race_rows,
    ),
    Task(
        "mmlu",
        "MMLU",
        ("question", "subject", "choices|D", "answer"),
        both(
            Likelihood(
                "Hendrycks et al. 2021",
                lambda row: _mmlu(row, row["question"]),
                shots=Shots(5, "dev", description=_mmlu_described_paper),
            ),
            Likelihood(
                HARNESS,
                lambda row: _mmlu(row, row["question"].strip()),
                shots=Shots(5, "dev", description=_mmlu_described),
            ),
        ),
        split="test",
        columns=("question", "A", "B", "C", "D", "answer"),
        of_path=_mmlu_subject,
        macro=True,
    ),
    Task(
        "agieval",
        "AGIEval (English, multiple choice)",
        ("question|query", "options|choices", "label|gold", "passage|query"),
        both(
            Likelihood("AGIEval's prompt, letters ranked: ours", lambda row: _agieval(row, letters=True)),
            Likelihood(HARNESS, lambda row: _agieval(row, letters=False), _CHARACTERS),
        ),
        split="test",
        of_path=_agieval_part,
        macro=True,
    ),
)
