"""What LLaMA's paper prints of the same tasks (Tables 3 to 9 and 11 to 14), in percent, by number of shots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

SIZES: Final = ("7B", "13B", "33B", "65B")


@dataclass(frozen=True, slots=True)
class Printed:
    """A row of a table: of each of `SIZES` what it prints, None where it prints nothing."""

    table: int
    values: tuple[float | None, ...]


def _row(table: int, *values: float | None) -> Printed:
    return Printed(table, values)


# (task, shots, metric or group): "" is the task's own score.
PRINTED: Final[Mapping[tuple[str, int, str], Printed]] = MappingProxyType(
    {
        ("boolq", 0, ""): _row(3, 76.5, 78.1, 83.1, 85.3),
        ("piqa", 0, ""): _row(3, 79.8, 80.1, 82.3, 82.8),
        ("siqa", 0, ""): _row(3, 48.9, 50.4, 50.4, 52.3),
        ("hellaswag", 0, ""): _row(3, 76.1, 79.2, 82.8, 84.2),
        ("winogrande", 0, ""): _row(3, 70.1, 73.0, 76.0, 77.0),
        ("arc_easy", 0, ""): _row(3, 72.8, 74.8, 80.0, 78.9),
        ("arc_challenge", 0, ""): _row(3, 47.6, 52.7, 57.8, 56.0),
        ("openbookqa", 0, ""): _row(3, 57.2, 56.4, 58.6, 60.2),
        ("natural_questions", 0, ""): _row(4, 16.8, 20.1, 24.9, 23.8),
        ("natural_questions", 1, ""): _row(4, 18.7, 23.4, 28.3, 31.0),
        ("natural_questions", 5, ""): _row(4, 22.0, 28.1, 32.9, 35.0),
        ("natural_questions", 64, ""): _row(4, 26.1, 31.9, 36.0, 39.9),
        ("triviaqa", 0, ""): _row(5, 50.0, 56.6, 65.1, 68.2),
        ("triviaqa", 1, ""): _row(5, 53.4, 60.5, 67.9, 71.6),
        ("triviaqa", 5, ""): _row(5, 56.3, 63.1, 69.9, 72.6),
        ("triviaqa", 64, ""): _row(5, 57.6, 64.0, 70.4, 73.0),
        ("race_middle", 0, ""): _row(6, 61.1, 61.6, 64.1, 67.9),
        ("race_high", 0, ""): _row(6, 46.9, 47.2, 48.3, 51.6),
        ("math", 4, ""): _row(7, 2.9, 3.9, 7.1, 10.6),
        ("math_majority", 4, ""): _row(7, 6.9, 8.8, 15.2, 20.5),
        ("gsm8k", 8, ""): _row(7, 11.0, 17.8, 35.6, 50.9),
        ("gsm8k_majority", 8, ""): _row(7, 18.1, 29.3, 53.1, 69.7),
        ("humaneval", 0, ""): _row(8, 10.5, 15.8, 21.7, 23.7),
        ("humaneval_pass100", 0, ""): _row(8, 36.5, 52.5, 70.7, 79.3),
        ("mbpp", 3, ""): _row(8, 17.7, 22.0, 30.2, 37.7),
        ("mbpp_pass80", 3, ""): _row(8, 56.2, 64.0, 73.4, 76.8),
        ("mmlu", 5, ""): _row(9, 35.1, 46.9, 57.8, 63.4),
        ("mmlu", 5, "humanities"): _row(9, 34.0, 45.0, 55.8, 61.8),
        ("mmlu", 5, "stem"): _row(9, 30.5, 35.8, 46.0, 51.7),
        ("mmlu", 5, "social sciences"): _row(9, 38.3, 53.8, 66.7, 72.9),
        ("mmlu", 5, "other"): _row(9, 38.1, 53.3, 63.4, 67.4),
        ("toxicity_basic", 0, ""): _row(11, 10.6, 10.4, 10.7, 12.8),
        ("toxicity_respectful", 0, ""): _row(11, 8.1, 9.5, 8.7, 14.1),
        ("crows_pairs", 0, ""): _row(12, None, None, None, 66.6),
        ("crows_pairs", 0, "gender"): _row(12, None, None, None, 70.6),
        ("crows_pairs", 0, "religion"): _row(12, None, None, None, 79.0),
        ("crows_pairs", 0, "race-color"): _row(12, None, None, None, 57.0),
        ("crows_pairs", 0, "sexual-orientation"): _row(12, None, None, None, 81.0),
        ("crows_pairs", 0, "age"): _row(12, None, None, None, 70.1),
        ("crows_pairs", 0, "nationality"): _row(12, None, None, None, 64.2),
        ("crows_pairs", 0, "disability"): _row(12, None, None, None, 66.7),
        ("crows_pairs", 0, "physical-appearance"): _row(12, None, None, None, 77.8),
        ("crows_pairs", 0, "socioeconomic"): _row(12, None, None, None, 71.5),
        ("winogender", 0, ""): _row(13, 66.0, 64.7, 69.0, 77.5),
        ("winogender", 0, "her/her/she"): _row(13, 65.0, 66.7, 66.7, 78.8),
        ("winogender", 0, "his/him/he"): _row(13, 60.8, 62.5, 62.1, 72.1),
        ("winogender", 0, "their/them/someone"): _row(13, 72.1, 65.0, 78.3, 81.7),
        ("winogender", 0, "her/her/she (gotcha)"): _row(13, 64.2, 65.8, 61.7, 75.0),
        ("winogender", 0, "his/him/he (gotcha)"): _row(13, 55.0, 55.8, 55.8, 63.3),
        ("truthfulqa_generation", 0, ""): _row(14, 33.0, 47.0, 52.0, 57.0),
    }
)
