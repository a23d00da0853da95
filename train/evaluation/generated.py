"""Tasks that generate, scored: prompts continued, programs run, judges asked; ranks share the prompts.

check what the tasks want (--run-code, --judge) -> continue_all -> each rank scores its prompts -> values of all
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from train.evaluation.grading import programs
from train.evaluation.grading.judges import Judge, open_judge
from train.evaluation.inference.decoding import continue_all
from train.evaluation.inference.scoring import Scorer
from train.evaluation.tasks.asking import Asking
from train.evaluation.tasks.kinds import Generation
from train.parallel import ALONE, World


@dataclass(frozen=True, slots=True)
class Means:
    """What generating and scoring may use: the seed of what is drawn, and judges by kind."""

    seed: int = 0
    judges: Mapping[str, Judge] = field(default_factory=dict)
    world: World = ALONE


ONE_SEED = Means()


@dataclass(frozen=True, slots=True)
class Generated:
    """Of each prompt its values by metric and the tokens that did not fit; how many samples ended by their length."""

    values: list[Mapping[str, float]]
    cut: list[int]
    unfinished: int


def means(asked: Sequence[Asking], run_code: bool, judges: Sequence[str], seed: int, world: World = ALONE) -> Means:
    """Return what the tasks need, before any model is opened; `judges` are texts KIND=NAME.

    Raises ValueError for a task whose programs may not or cannot be run here, and one whose judge is not named.
    """
    forms = [(one.task.name, one.form) for one in asked if isinstance(one.form, Generation)]
    running = [name for name, form in forms if form.runs_code]
    if running and not run_code:
        raise ValueError(
            f"{running[0]} is scored by running programs that the model wrote: that is done with --run-code alone "
            "(docs/safety.md says what it can and cannot do to you)"
        )
    if running:
        programs.run("")
    named = dict(_named(text) for text in judges)
    wanted = {form.judge: name for name, form in forms if form.judge}
    for kind, name in wanted.items():
        if kind not in named:
            raise ValueError(f"{name} is scored by a judge of {kind}: name one with --judge {kind}=NAME")
    if unused := sorted(set(named) - set(wanted)):
        raise ValueError(f"--judge names one of {unused[0]}, which no task of this command wants")
    return Means(seed, {kind: open_judge(name, kind) for kind, name in named.items()}, world)


def _named(text: str) -> tuple[str, str]:
    kind, equals, name = text.partition("=")
    if not equals or not kind or not name:
        raise ValueError(f"--judge {text!r}: KIND=NAME is expected, such as toxicity=perspective")
    return kind, name


def generate(asking: Asking, scorer: Scorer, using: Means = ONE_SEED) -> Generated:
    """Continue all prompts of a task and score what comes."""
    form, prompts, world = asking.form, asking.prompts, using.world
    assert isinstance(form, Generation)
    continued = continue_all(scorer, prompts, form.decoding, using.seed, world)
    judge = (using.judges[form.judge],) if form.judge else ()
    mine = {
        number: form.score(prompts[number], continued[number].texts, *judge)
        for number in range(world.data_rank, len(prompts), world.data_size)
    }
    found = {number: values for part in world.all_of(mine) for number, values in part.items()}
    return Generated(
        [found[number] for number in range(len(prompts))],
        [one.cut for one in continued],
        sum(one.unfinished for one in continued),
    )
