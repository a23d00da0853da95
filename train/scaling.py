"""What a compute budget buys: parameters, tokens, loss, days and carbon by the published scaling laws.

    FLOPs = 6 N D -> N and D that minimise the law's loss -> steps, GPU-hours -> days, tCO2eq

Kaplan's exponents are of compute-efficient training (its N without embeddings); Chinchilla's of its third approach,
a loss E + A / N^alpha + B / D^beta, minimised exactly; the refit is the same law with Besiroglu et al.'s constants.
Repeated data counts for less: Muennighoff et al.'s effective tokens replace D.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from train.energy import footprint

FLOPS_PER_PARAMETER_TOKEN = 6.0  # Kaplan et al. 2020, section 2.1
PF_DAY = 8.64e19  # FLOPs: 10^15 a second for a day
R_D = 15.39  # Muennighoff et al. 2023, section 6: repetitions after which new epochs have lost most of their worth


@dataclass(frozen=True, slots=True)
class Parametric:
    """A law L(N, D) = E + A / N^alpha + B / D^beta, in nats per token."""

    irreducible: float
    a: float
    alpha: float
    b: float
    beta: float

    def loss(self, parameters: float, tokens: float) -> float:
        """Return the loss of so many parameters trained on so many tokens."""
        return self.irreducible + self.a * math.pow(parameters, -self.alpha) + self.b * math.pow(tokens, -self.beta)

    def optimum(self, flops: float) -> tuple[float, float]:
        """Return the parameters and tokens of the least loss at 6 N D FLOPs (Hoffmann et al. 2022, equation 4)."""
        product = flops / FLOPS_PER_PARAMETER_TOKEN
        both = self.alpha + self.beta
        scale = (self.alpha * self.a / (self.beta * self.b)) ** (1 / both)
        parameters = scale * product ** (self.beta / both)
        return parameters, product / parameters


# Hoffmann et al. 2022, section D.3, prints 1.69, 406.4, 0.34, 410.7, 0.28. Exponents so rounded give 33 billion
# parameters for Gopher's budget, where its figure 4 says 40; Besiroglu et al. 2024 quote the unrounded ones.
CHINCHILLA = Parametric(1.6934, 406.4, 0.3392, 410.7, 0.2849)
REFIT = Parametric(1.8172, 482.01, 0.3478, 2085.43, 0.3658)  # Besiroglu et al. 2024, table 1


def kaplan_loss(*, parameters: float | None = None, tokens: float | None = None, flops: float | None = None) -> float:
    """Return Kaplan et al.'s loss where one thing alone is scarce (2020, equations 1.1 to 1.3); FLOPs at the optimum.

    Raises ValueError unless exactly one is given.
    """
    laws = ((parameters, 8.8e13, 0.076), (tokens, 5.4e13, 0.095), (flops and flops / PF_DAY, 3.1e8, 0.050))
    given = [math.pow(scale / value, power) for value, scale, power in laws if value]
    if len(given) != 1:
        raise ValueError("give exactly one of parameters, tokens and flops")
    return given[0]


def kaplan_optimum(flops: float) -> tuple[float, float]:
    """Return the parameters and tokens of compute-efficient training (Kaplan et al. 2020, table 6).

    N = 1.3e9 C^0.73 and D = 2e10 C^0.27 with C in PF-days of the least compute.
    """
    days = flops / PF_DAY
    return 1.3e9 * days**0.73, 2e10 * days**0.27


def effective_tokens(unique: float, tokens: float, half_value: float = R_D) -> float:
    """Return how many new tokens `tokens` drawn from `unique` ones are worth (Muennighoff et al. 2023, equation 5).

    U + U R* (1 - exp(-R / R*)), with R the repetitions after the first epoch.
    """
    if tokens <= unique:
        return tokens
    repetitions = tokens / unique - 1
    return unique + unique * half_value * -math.expm1(-repetitions / half_value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a law makes of a compute budget; `days` and `gpu_hours` at the speed given."""

    law: str
    parameters: float
    tokens: float
    flops: float
    loss: float
    gpu_hours: float
    days: float
    surface: Parametric | None = None  # Kaplan's loss at the optimum is of the compute alone

    def loss_of(self, new_tokens: float) -> float | None:
        """Return the loss if its tokens are worth so many new ones, None where the law does not say."""
        return None if self.surface is None else self.surface.loss(self.parameters, new_tokens)


def show(
    console: Console, plans: Sequence[Budget], batch: int, watts: float | None, worth: Sequence[float] = ()
) -> None:
    """Print plans as a table: steps of `batch` tokens, and energy where the GPU's power is known.

    `worth` is how many new tokens those of each plan stand for, some being repeated.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("", *(plan.law for plan in plans)):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    rows = {
        "parameters": [f"{plan.parameters:.3g}" for plan in plans],
        "tokens": [f"{plan.tokens:.3g}" for plan in plans],
        "tokens / parameter": [f"{plan.tokens / plan.parameters:.1f}" for plan in plans],
        "steps": [f"{math.ceil(plan.tokens / batch):,}" for plan in plans],
        "FLOPs": [f"{plan.flops:.3g}" for plan in plans],
        "loss, nats / token": [f"{plan.loss:.3f}" for plan in plans],
        "GPU-hours": [f"{plan.gpu_hours:,.0f}" for plan in plans],
        "days": [f"{plan.days:,.1f}" for plan in plans],
    }
    if worth:
        rows["worth new tokens"] = [f"{value:.3g}" for value in worth]
        losses = [plan.loss_of(value) for plan, value in zip(plans, worth, strict=True)]
        rows["loss, some repeated"] = ["" if loss is None else f"{loss:.3f}" for loss in losses]
    if watts is not None:
        carbon = [footprint(plan.gpu_hours, watts) for plan in plans]
        rows["MWh"] = [f"{each.mwh:,.3g}" for each in carbon]
        rows["tCO2eq"] = [f"{each.tco2eq:,.3g}" for each in carbon]
    for name, cells in rows.items():
        table.add_row(name, *cells)
    console.print(table)


def budgets(flops: float, gpus: int, peak: float, utilisation: float) -> list[Budget]:
    """Return the three laws' plans for a number of FLOPs on so many GPUs of a peak (FLOP/s), used to a fraction."""
    hours = flops / (peak * utilisation) / 3600
    plans = []
    for law, surface in (("Kaplan", None), ("Chinchilla", CHINCHILLA), ("Chinchilla, refit", REFIT)):
        parameters, tokens = kaplan_optimum(flops) if surface is None else surface.optimum(flops)
        loss = kaplan_loss(flops=flops) if surface is None else surface.loss(parameters, tokens)
        plans.append(
            Budget(
                law=law,
                parameters=parameters,
                tokens=tokens,
                flops=flops,
                loss=loss,
                gpu_hours=hours,
                days=hours / gpus / 24,
                surface=surface,
            )
        )
    return plans
