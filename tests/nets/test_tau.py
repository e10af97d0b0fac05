"""TAU is the published one in size; its regularisation is the divergence of known distributions."""

from __future__ import annotations

import math

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.nets.tiny import tiny
from typhoon_tracker.nets.tau import DynamicAttentionUnit, Tau, TauConfig, differential_divergence


def test_the_default_has_the_size_of_the_papers_table() -> None:
    with torch.device("meta"):
        net = Tau(TauConfig())
        with FlopCounterMode(display=False) as counter:
            net(torch.empty(1, 12, 4, 128, 128))
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(12.29e6, rel=0.001)
    assert counter.get_total_flops() / 2 == pytest.approx(
        18.3e9, rel=0.02
    )  # counters differ in what they count of norms


def test_gradients_reach_every_weight() -> None:
    net = tiny("tau")
    net(torch.randn(2, 3, 4, 8, 8, dtype=torch.float64)).sin().sum().backward()
    assert not [name for name, p in net.named_parameters() if p.grad.abs().amax() < 1e-10]


def test_the_dynamical_branch_weighs_channels_by_their_mean_over_the_grid() -> None:
    torch.manual_seed(0)
    unit = DynamicAttentionUnit(8, 0.0).double()
    u = torch.randn(1, 8, 9, 9, dtype=torch.float64)
    statical = u * unit.mix(unit.far(unit.near(u)))
    ratio = unit.weigh(u) / statical
    torch.testing.assert_close(ratio, ratio[..., :1, :1].expand_as(ratio))
    assert ((ratio > 0) & (ratio < 1)).all()
    assert ratio[0, :, 0, 0].std() > 0


def test_the_skip_keeps_what_the_latent_grid_cannot_hold() -> None:
    net = tiny("tau", layers=1, stages=2).eval()
    torch.nn.init.zeros_(net.translator[-1].weight)
    checkered = torch.zeros(1, 3, 4, 8, 8, dtype=torch.float64)
    checkered[:, 1, :, ::2, 1::2] = 1.0
    with torch.inference_mode():
        change = (net(checkered) - net(torch.zeros_like(checkered))).abs().amax((0, 2, 3, 4))
    assert change[1] > 1e-3
    assert change[0] == change[2] == 0.0


def test_frames_beyond_the_input_are_given_the_last_frames_features() -> None:
    net = tiny("tau", frames_in=2, frames_out=4).eval()
    torch.nn.init.zeros_(net.translator[-1].weight)
    torch.nn.init.zeros_(net.translator[-1].bias)
    with torch.inference_mode():
        y = net(torch.randn(1, 2, 4, 8, 8, dtype=torch.float64))
    torch.testing.assert_close(y[:, 1], y[:, 3])
    assert not torch.allclose(y[:, 0], y[:, 1])


def steps(*values: list[float]) -> torch.Tensor:
    """Frames of one row whose differences are the given rows."""
    return torch.tensor([[0.0] * len(values[0]), *values], dtype=torch.float64).cumsum(0)[None, :, None, None]


def test_the_divergence_of_two_values_is_the_closed_one() -> None:
    # Differences of log 3 and 0 at temperature 1 are the shares 3/4 and 1/4; equal ones are halves.
    predicted, target = steps([math.log(3), 0.0]), steps([1.0, 1.0])
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert differential_divergence(predicted, target, temperature=1.0).item() == pytest.approx(expected)
    reverse = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    assert differential_divergence(target, predicted, temperature=1.0).item() == pytest.approx(reverse)


def test_the_divergence_is_the_mean_over_differences_and_scales_with_the_temperature() -> None:
    flat, rising = [0.0, 0.0], [math.log(3), 0.0]
    one = differential_divergence(steps(rising), steps(flat), temperature=1.0)
    two = differential_divergence(steps(rising, flat), steps(flat, flat), temperature=1.0)
    torch.testing.assert_close(two, one / 2)
    tenth = differential_divergence(steps(rising) / 10, steps(flat), temperature=0.1)
    torch.testing.assert_close(tenth, one)


def test_the_divergence_sees_changes_alone_and_vanishes_where_they_agree() -> None:
    torch.manual_seed(0)
    y = torch.randn(2, 3, 4, 5, 6, dtype=torch.float64)
    offset = torch.randn(2, 1, 4, 5, 6, dtype=torch.float64)
    assert differential_divergence(y + offset, y).item() == pytest.approx(0.0, abs=1e-12)
    assert differential_divergence(y.flip(1), y) > 0.1
    assert differential_divergence(y[:, :1], offset) == 0.0


def test_a_certain_error_stays_finite() -> None:
    wrong, right = steps([1e4, 0.0]), steps([0.0, 1e4])
    assert differential_divergence(wrong, right).item() == pytest.approx(1e5)


def test_frames_that_differ_in_shape_and_a_temperature_of_zero_are_refused() -> None:
    y = torch.zeros(1, 2, 1, 1, 2)
    with pytest.raises(ValueError, match=r"\(1, 2, 1, 1, 2\) and target \(1, 2, 1, 1, 1\) differ"):
        differential_divergence(y, y[..., :1])
    with pytest.raises(ValueError, match="temperature = 0 must be positive"):
        differential_divergence(y, y, temperature=0)
