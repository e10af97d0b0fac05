"""The constraint layers conserve block means, whatever the network says."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from typhoon_tracker.downscale.constraints import block_mean, constrain, soft_loss
from typhoon_tracker.downscale.settings import HARD, KINDS, MULTIPLICATIVE, SCALED_ADDITIVE, SOFTMAX
from typhoon_tracker.errors import InputError

ROUNDING = 1e-5
many = settings(max_examples=40, deadline=None)


@st.composite
def problems(draw):
    """A network's output, a non-negative coarse field and area weights or None, of any leading dimensions."""
    factor, h, w = draw(st.sampled_from([1, 2, 3, 4, 5, 8])), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    leading = draw(st.sampled_from([(), (2,), (2, 3), (2, 1, 2)]))
    dice = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    size = 10.0 ** draw(st.floats(-6, 4))
    shape = (*leading, h * factor, w * factor)
    raw = size * torch.randn(shape, generator=dice) + draw(st.sampled_from([0.0, -1.0, 1.0])) * size
    coarse = 10.0 ** draw(st.floats(-6, 5)) * torch.rand(*leading, h, w, generator=dice)
    coarse = coarse * (torch.rand(coarse.shape, generator=dice) > 0.2)  # some exact zeros
    weights = draw(st.sampled_from([None, (h * factor, 1), shape]))
    return raw, coarse, None if weights is None else torch.rand(weights, generator=dice) + 0.1


def assert_conserved(fine, coarse, weights):
    factor = fine.shape[-1] // coarse.shape[-1]
    means = block_mean(fine, factor, weights=weights)
    largest = torch.maximum(block_mean(fine.abs(), factor, weights=weights), coarse.abs())
    assert ((means - coarse).abs() <= ROUNDING * largest).all()


@pytest.mark.parametrize("kind", HARD)
@given(problems())
@many
def test_block_means_are_those_of_the_coarse_field(kind, problem):
    raw, coarse, weights = problem
    assert_conserved(constrain(kind, raw, coarse, weights=weights), coarse, weights)


@given(problems())
@many
def test_softmax_keeps_the_sign_and_conserves_to_the_coarse_value_itself(problem):
    raw, coarse, weights = problem
    fine = constrain(SOFTMAX, raw, coarse, weights=weights)
    factor = fine.shape[-1] // coarse.shape[-1]
    assert (fine >= 0).all()
    assert (fine.unflatten(-1, (-1, factor)).unflatten(-3, (-1, factor)).amax((-3, -1)) > 0).eq(coarse > 0).all()
    assert ((block_mean(fine, factor, weights=weights) - coarse).abs() <= ROUNDING * coarse).all()


@pytest.mark.parametrize("kind", KINDS)
@given(problems())
@many
def test_gradients_are_finite(kind, problem):
    raw, coarse, weights = problem
    raw, coarse = raw.requires_grad_(), coarse.requires_grad_()
    constrain(kind, raw, coarse, weights=weights).square().mean().backward()
    assert torch.isfinite(raw.grad).all()
    assert coarse.grad is None or torch.isfinite(coarse.grad).all()


@pytest.mark.parametrize("size", [1e4, -1e4])
@pytest.mark.parametrize("kind", HARD)
def test_extreme_outputs(kind, size):
    raw = torch.full((1, 4, 4), size, requires_grad=True)
    with torch.no_grad():
        raw[..., 0, 0] = -size
        raw[..., 2:, 2:] = torch.tensor([[-size, size], [size, -size]])  # a mean of zero
    coarse = torch.tensor([[[3.0, 1e-20], [0.0, 7.0]]])
    fine = constrain(kind, raw, coarse)
    assert_conserved(fine, coarse, None)
    fine.sum().backward()
    assert torch.isfinite(raw.grad).all()


@pytest.mark.parametrize("kind", [kind for kind in HARD if kind != SOFTMAX])
def test_a_mean_far_from_zero_leaves_no_rounding(kind):
    torch.manual_seed(0)
    coarse = torch.rand(20, 2, 2) + 0.1
    assert_conserved(constrain(kind, 1e5 + torch.rand(20, 6, 6), coarse), coarse, None)


def test_a_huge_logit_takes_the_whole_block():
    raw = torch.zeros(2, 2)
    raw[0, 1] = 1e4
    assert torch.equal(constrain(SOFTMAX, raw, torch.tensor([[2.5]])), torch.tensor([[0.0, 10.0], [0.0, 0.0]]))


@pytest.mark.parametrize("kind", HARD)
def test_half_precision_is_conserved_in_single(kind):
    torch.manual_seed(0)
    raw, coarse = torch.randn(2, 8, 8).bfloat16(), (torch.rand(2, 2, 2) + 0.5).bfloat16()
    fine = constrain(kind, raw, coarse)
    assert fine.dtype == torch.float32
    assert_conserved(fine, coarse.float(), None)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(constrain(kind, raw, coarse), fine)
    assert block_mean(torch.full((1, 64, 64), 257.0).bfloat16(), 64).item() == torch.tensor(257.0).bfloat16().item()


@pytest.mark.parametrize("kind", HARD)
def test_what_conserves_already_stays(kind):
    torch.manual_seed(0)
    wanted = torch.rand(3, 6, 6) * 0.8 + 0.1
    raw = wanted.log() if kind == SOFTMAX else wanted
    torch.testing.assert_close(constrain(kind, raw, block_mean(wanted, 3)), wanted)


def test_formulas_by_hand():
    raw, coarse = torch.tensor([[0.1, 0.3], [0.5, 0.7]]), torch.tensor([[0.2]])
    torch.testing.assert_close(constrain("additive", raw, coarse), raw - 0.2)
    torch.testing.assert_close(constrain(MULTIPLICATIVE, raw, coarse), raw / 2)
    torch.testing.assert_close(constrain(SCALED_ADDITIVE, raw, coarse), raw - 0.2 * (1 + raw) / 1.4)
    torch.testing.assert_close(constrain(SOFTMAX, raw, coarse), raw.exp() * 0.2 / raw.exp().mean())
    assert torch.equal(constrain("none", raw, coarse), raw)


def test_scaled_fields_stay_within_their_range():
    torch.manual_seed(0)
    raw, coarse = 2 * torch.rand(50, 4, 4) - 1, 2 * torch.rand(50, 2, 2) - 1
    assert constrain(SCALED_ADDITIVE, raw, coarse).abs().max() <= 1 + 1e-5


def test_an_ensemble_shares_its_coarse_field_and_weights_move_the_mean():
    torch.manual_seed(0)
    raw, coarse = torch.randn(5, 2, 4, 4), torch.rand(2, 2, 2)
    weights = torch.tensor([1.0, 3.0, 1.0, 3.0])[:, None]
    fine = constrain("additive", raw, coarse, weights=weights)
    assert_conserved(fine, coarse.expand(5, 2, 2, 2), weights)
    assert (block_mean(fine, 2) - coarse).abs().max() > 0.01
    alone = block_mean(torch.tensor([[1.0], [2.0]]).expand(2, 2), 2, weights=torch.tensor([[1.0], [3.0]]))
    assert alone.item() == pytest.approx(1.75)


def test_the_soft_loss_weighs_means_against_points():
    torch.manual_seed(0)
    fine, target = torch.rand(2, 4, 4), torch.rand(2, 4, 4)
    coarse = block_mean(target, 2)
    points, means = (fine - target).square().mean(), (block_mean(fine, 2) - coarse).square().mean()
    torch.testing.assert_close(soft_loss(fine, coarse, target), 0.99 * means + 0.01 * points)
    assert soft_loss(fine, coarse, target, alpha=0.0).item() == pytest.approx(points.item())
    assert soft_loss(target, coarse, target).item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("hard", torch.ones(4, 4), torch.ones(2, 2)), "unknown constraint 'hard'; known: none, softmax"),
        (
            ("additive", torch.ones(5, 4), torch.ones(2, 2)),
            "5 x 4 points is no whole multiple of the coarse one of 2 x 2",
        ),
        (("additive", torch.ones(4, 8), torch.ones(2, 2)), "no whole multiple"),
        (("softmax", torch.ones(2, 2), torch.tensor([[-0.5]])), "coarse field goes down to -0.5. Give the constraint"),
        (("additive", torch.ones(2, 2), torch.tensor([[torch.nan]])), "coarse field has 1 NaN or infinite values of 1"),
        (("softmax", torch.full((2, 2), torch.inf), torch.ones(1, 1)), "network's output has 4 NaN or infinite values"),
    ],
)
def test_what_cannot_be_constrained_is_told(arguments, message):
    with pytest.raises(InputError, match=message):
        constrain(*arguments)


def test_weights_and_factors_that_do_not_fit_are_told():
    with pytest.raises(InputError, match="positive; the smallest is 0"):
        constrain("additive", torch.ones(2, 2), torch.ones(1, 1), weights=torch.tensor([[0.0], [1.0]]))
    with pytest.raises(InputError, match=r"weights \(3, 1\) do not fit the field \(2, 2\)"):
        constrain("additive", torch.ones(2, 2), torch.ones(1, 1), weights=torch.ones(3, 1))
    with pytest.raises(InputError, match="a factor of 3 does not divide the grid of 4 x 4"):
        block_mean(torch.ones(4, 4), 3)
    with pytest.raises(InputError, match=r"alpha 1\.5 is outside 0 to 1"):
        soft_loss(torch.ones(2, 2), torch.ones(1, 1), torch.ones(2, 2), alpha=1.5)
