import math

import pytest

from train.scaling import (
    CHINCHILLA,
    PF_DAY,
    REFIT,
    budgets,
    effective_tokens,
    kaplan_loss,
    kaplan_optimum,
)

GOPHER = 5.76e23  # FLOPs of Gopher and of Chinchilla


def test_chinchillas_third_approach_at_gophers_budget() -> None:
    printed = [1.69, 406.4, 0.34, 410.7, 0.28]
    law = (CHINCHILLA.irreducible, CHINCHILLA.a, CHINCHILLA.alpha, CHINCHILLA.b, CHINCHILLA.beta)
    assert [round(value, digits) for value, digits in zip(law, (2, 1, 2, 1, 2), strict=True)] == printed
    parameters, tokens = CHINCHILLA.optimum(GOPHER)
    assert round(parameters / 1e9) == 40  # figure 4: "for the Gopher compute budget, 40 billion parameters"
    assert 6 * parameters * tokens == pytest.approx(GOPHER)
    exponent = CHINCHILLA.beta / (CHINCHILLA.alpha + CHINCHILLA.beta)
    assert (round(exponent, 2), round(1 - exponent, 2)) == (0.46, 0.54)  # table 2, approach 3
    # The paper's example: Gopher's 280 billion parameters on 300 billion tokens against 70 on 1.4 trillion.
    assert CHINCHILLA.loss(280e9, 300e9) > CHINCHILLA.loss(70e9, 1.4e12)
    assert CHINCHILLA.loss(70e9, 1.4e12) == pytest.approx(1.6934 + 406.4 / 70e9**0.3392 + 410.7 / 1.4e12**0.2849)


def test_the_optimum_is_one() -> None:
    for law in (CHINCHILLA, REFIT):
        for flops in (1e18, 1e21, 1e24):
            parameters, tokens = law.optimum(flops)
            least = law.loss(parameters, tokens)
            for factor in (0.8, 0.98, 1.02, 1.25):
                assert law.loss(parameters * factor, tokens / factor) > least


def test_the_refits_ratio_is_about_twenty_tokens_a_parameter() -> None:
    parameters, tokens = REFIT.optimum(GOPHER)
    assert tokens / parameters == pytest.approx(20, abs=5)
    exponent = REFIT.beta / (REFIT.alpha + REFIT.beta)
    assert exponent == pytest.approx(0.512, abs=0.002)  # Besiroglu et al.: D and N grow alike


def test_kaplans_losses_are_one_at_their_constants() -> None:
    assert kaplan_loss(parameters=8.8e13) == kaplan_loss(tokens=5.4e13) == 1.0
    assert kaplan_loss(flops=3.1e8 * PF_DAY) == pytest.approx(1.0)
    # Section 1.2's power laws: ten times the parameters lower the loss by 10^-0.076.
    assert kaplan_loss(parameters=1e9) / kaplan_loss(parameters=1e8) == pytest.approx(10**-0.076)
    assert kaplan_optimum(PF_DAY) == (1.3e9, 2e10)
    # Section 6.3: the laws meet at about 10^4 PF-days, 10^12 parameters and 1.7 nats per token.
    assert kaplan_optimum(1e4 * PF_DAY)[0] == pytest.approx(1e12, rel=0.1)
    assert round(kaplan_loss(flops=1e4 * PF_DAY), 1) == 1.7
    # As Hoffmann et al. sum it up: ten times the compute, 5.5 times the parameters, 1.8 times the tokens.
    growth = [more / less for more, less in zip(kaplan_optimum(1e24), kaplan_optimum(1e23), strict=True)]
    assert growth == pytest.approx([5.5, 1.8], rel=0.04)
    with pytest.raises(ValueError, match="exactly one"):
        kaplan_loss(parameters=1e9, tokens=1e9)


def test_repeated_tokens_are_worth_less_and_never_more_than_r_d_epochs() -> None:
    assert effective_tokens(100, 80) == 80
    assert effective_tokens(100, 100) == 100
    assert effective_tokens(1.0, 1e6) == pytest.approx(1 + 15.39)
    # Section 6 and figure 1: four epochs are nearly as good as new data, at sixteen much is lost.
    assert effective_tokens(1.0, 4.0) / 4 == pytest.approx(0.93, abs=0.005)
    assert effective_tokens(1.0, 2.45) / 2.45 > 0.97  # Wikipedia in LLaMA
    assert effective_tokens(1.0, 44.0) / 44 < 0.4
    # Section 5: after R_D* repetitions 1 - 1/e of what they would be worth as new data is left.
    assert effective_tokens(1.0, 1 + 15.39) == pytest.approx(1 + 15.39 * (1 - math.exp(-1)))


def test_llamas_65b_in_days() -> None:
    flops = 6 * 65.3e9 * 1.4e12
    plans = budgets(flops, 2048, 312e12, 0.477)
    assert [plan.law for plan in plans] == ["Kaplan", "Chinchilla", "Chinchilla, refit"]
    for plan in plans:
        assert plan.days == pytest.approx(21, abs=0.5)  # section 2.4: "approximately 21 days"
        assert plan.gpu_hours == pytest.approx(1_022_362, rel=0.02)  # Table 15
    assert plans[0].parameters > plans[1].parameters
