"""Code that is generated and run: HumanEval without examples, MBPP with three (LLaMA, Table 8).

pass@1 is estimated at temperature 0.1, pass@100 (HumanEval) and pass@80 (MBPP) at 0.8, as LLaMA's section 3.5 says, by
the unbiased estimator of Chen et al. 2021. LLaMA does not say how many samples it took: Chen et al. take 200.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from functools import partial
from typing import Final

from train.evaluation.grading.estimates import pass_at
from train.evaluation.grading.programs import Verdict, run_all
from train.evaluation.tasks.generation import text_of, texts
from train.evaluation.tasks.kinds import HARNESS, Decoding, Generation, Prompt, Row, Shots, Task, both

CODEX: Final = "Chen et al. 2021"
AUSTIN: Final = "Austin et al. 2021"
_TOP_P: Final = 0.95  # Chen et al. 2021; LLaMA states none
_FEW: Final = 20  # samples for pass@1, whose temperature leaves little chance: ours
_MANY: Final = 200
_FUNCTION_END: Final = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
_LENGTH: Final = 512
_MBPP_SHOTS: Final = (2, 3, 4)  # the numbers of its examples (Austin et al. 2021, section 4)
_MBPP_TEST: Final = range(11, 511)


def passing(prompt: Prompt, continuations: Sequence[str], at: Sequence[int]) -> Mapping[str, float]:
    """Run each continuation between what stands before and behind it; return pass@k for each k of `at`."""
    before, behind = prompt.details["before"], prompt.details["behind"]
    ran = run_all([before + text + behind for text in continuations])
    passed = sum(one.verdict is Verdict.PASSED for one in ran)
    scores = {f"pass@{k}": pass_at(k, len(ran), passed) for k in at if k <= len(ran)}
    return {**scores, "timed out": sum(one.verdict is Verdict.TIMED_OUT for one in ran) / len(ran)}


def _humaneval(row: Row) -> Prompt:
    prompt, solution = text_of(row, "prompt"), text_of(row, "canonical_solution")
    behind = f"\n{text_of(row, 'test')}\ncheck({row['entry_point']})"
    if not str(row["entry_point"]).isidentifier():
        raise ValueError(f"field entry_point is {row['entry_point']!r}, no name of a function")
    return Prompt(prompt, (solution,), solution, details={"before": prompt, "behind": behind})


def _task(row: Row) -> str:
    return text_of(row, "text" if "text" in row else "prompt")


def _mbpp(row: Row, setup: bool) -> Prompt:
    tests = texts(row["test_list"], "test_list")
    code = text_of(row, "code")
    lines = "".join(test + "\n" for test in tests[:3])
    task = f"You are an expert Python programmer, and here is your task: {_task(row)}"
    asked = f"{task} Your code should pass these tests:\n\n{lines}[BEGIN]\n"
    prepared = "\n".join((row.get("test_setup_code", ""), *row.get("test_imports", ()))).strip() if setup else ""
    behind = "\n" + "\n".join(filter(None, (prepared, *tests)))
    return Prompt(asked, (code,), f"{code}\n[DONE]", details={"before": "", "behind": behind})


def _number_among(row: Row, numbers: Container[int]) -> bool:
    return int(row["task_id"]) in numbers


def _humaneval_form(temperature: float, samples: int, at: Sequence[int]) -> Generation:
    decoding = Decoding(_LENGTH, _FUNCTION_END, temperature, _TOP_P, samples)
    return Generation(CODEX, _humaneval, decoding, partial(passing, at=at), runs_code=True)


def _mbpp_form(temperature: float, samples: int, at: Sequence[int]) -> Generation:
    decoding = Decoding(_LENGTH, ("[DONE]",), temperature, _TOP_P, samples)
    return _mbpp_generation(AUSTIN, partial(_mbpp, setup=True), decoding, partial(passing, at=at))


def _mbpp_generation(
    source: str,
    prompt: Callable[[Row], Prompt],
    decoding: Decoding,
    score: Callable[[Prompt, Sequence[str]], Mapping[str, float]],
) -> Generation:
    return Generation(
        source,
        prompt,
        decoding,
        score,
        Shots(3, only=partial(_number_among, numbers=_MBPP_SHOTS)),
        runs_code=True,
        only=partial(_number_among, numbers=_MBPP_TEST),
    )


_FIRST: Final = partial(passing, at=(1,))
_MBPP_FIELDS: Final = ("task_id", "text|prompt", "code", "test_list")
_HUMANEVAL_FIELDS: Final = ("prompt", "canonical_solution", "test", "entry_point")
TASKS = (
    Task(
        "humaneval",
        "HumanEval",
        _HUMANEVAL_FIELDS,
        both(
            _humaneval_form(0.1, _FEW, (1, 10)),
            Generation(HARNESS, _humaneval, Decoding(1024, _FUNCTION_END), _FIRST, runs_code=True),
        ),
        split="test",
    ),
    Task(
        "humaneval_pass100",
        "HumanEval, pass@100",
        _HUMANEVAL_FIELDS,
        both(*[_humaneval_form(0.8, _MANY, (100, 10, 1))] * 2),
        split="test",
    ),
    Task(
        "mbpp",
        "MBPP",
        _MBPP_FIELDS,
        both(
            _mbpp_form(0.1, _FEW, (1, 10)),
            _mbpp_generation(HARNESS, partial(_mbpp, setup=False), Decoding(256, ("[DONE]",)), _FIRST),
        ),
        split="test",
    ),
    Task(
        "mbpp_pass80",
        "MBPP, pass@80",
        _MBPP_FIELDS,
        both(*[_mbpp_form(0.8, _MANY, (80, 10, 1))] * 2),
        split="test",
    ),
)
