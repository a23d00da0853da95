"""Arithmetic and mathematics (LLaMA, Table 7): GSM8k and MATH, greedily and by the majority of many samples.

Prompts of `Format.PAPER` are those of Minerva, with which LLaMA compares: for GSM8k Wei et al.'s eight examples, for
MATH Minerva's four. Neither is here: `--examples TASK=PATH` names the file whose first rows are the examples. Rows of
the tasks' own training parts become examples of the same form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from train.evaluation.grading import answers, symbolic
from train.evaluation.grading.estimates import majority
from train.evaluation.tasks.generation import HARNESS_LENGTH, mean, text_of
from train.evaluation.tasks.kinds import HARNESS, Decoding, Drawn, Generation, Prompt, Row, Shots, Task, both

WEI: Final = "Wei et al. 2022"
MINERVA: Final = "Minerva, appendix D"

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


TASKS = (
    Task(
        "gsm8k",
        "GSM8k",
        ("question", "answer|target"),
        both(
            _GSM_PAPER(decoding=_GSM_TEXT, score=mean(_number)),
            Generation(
                HARNESS,
                _gsm_harness,
                Decoding(HARNESS_LENGTH, ("Question:", "</s>", "<|im_end|>")),
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
                Decoding(HARNESS_LENGTH, ("Problem:",)),
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
)
