"""The units of a translator layer: each trains, keeps its reach, and moves with the map."""

from __future__ import annotations

import pytest
import torch

from tests.nets.tiny import opened, tiny_met2net
from typhoon_tracker.nets.units import UNITS

EVERY = pytest.mark.parametrize("block", UNITS)
CHANNELS = 16
# Points that a unit sees to each side: 5x5 then 7x7 dilated by 3 make 11, a 3x3 in the MLP one more.
REACH = {"tau": 12, "gsta": 12, "convnext": 3, "hornet": 3, "moganet": 12}


def unit(block: str, drop_path: float = 0.0) -> torch.nn.Module:
    torch.manual_seed(0)
    return opened(UNITS[block](CHANNELS, drop_path).double())


def features(side: int, samples: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(samples, CHANNELS, side, side, dtype=torch.float64, generator=generator)


@EVERY
def test_a_unit_keeps_the_shape_and_gradients_reach_all_of_it(block: str) -> None:
    module, x = unit(block), features(9)
    y = module(x)
    assert y.shape == x.shape
    (y * features(9).flip(1)).sum().backward()
    still = [name for name, p in module.named_parameters() if p.grad is None or p.grad.abs().amax() < 1e-6]
    assert not still


@EVERY
def test_gradients_reach_the_whole_network(block: str) -> None:
    net = tiny_met2net(block=block)
    x = torch.randn(2, 3, 4, 8, 8, dtype=torch.float64)
    net(x).sin().sum().backward()
    still = [name for name, p in net.named_parameters() if p.grad is None or p.grad.abs().amax() < 1e-10]
    # A bias that all keys share moves every product with a query alike, and softmax does not see that.
    assert still == [name for name, _ in net.named_parameters() if name.endswith("attention.key.1.bias")]


@EVERY
def test_a_new_unit_is_near_the_identity(block: str) -> None:
    torch.manual_seed(0)
    module, x = UNITS[block](CHANNELS, 0.0).double().eval(), features(9)
    assert (module(x) - x).abs().amax() < 0.2
    assert not torch.equal(module(x), x)


@pytest.mark.parametrize("block", REACH)
def test_a_unit_moves_with_the_map(block: str) -> None:
    module, x, reach, shift = unit(block).eval(), features(34, 1), REACH[block], 4
    with torch.inference_mode():
        moved, still = module(x.roll((shift, shift), (2, 3))), module(x).roll((shift, shift), (2, 3))
    inner = slice(reach + shift, 34 - reach)
    torch.testing.assert_close(moved[..., inner, inner], still[..., inner, inner])


@pytest.mark.parametrize("block", sorted(set(REACH) - {"moganet"}))  # which contrasts with the mean of the whole grid
def test_a_unit_sees_as_far_as_its_kernels(block: str) -> None:
    side, reach = 31, REACH[block]
    x = features(side, 1).requires_grad_()
    (grad,) = torch.autograd.grad(unit(block).eval()(x)[0, :, side // 2, side // 2].sum(), x)
    seen = grad[0].abs().amax(0) > 0
    expected = torch.zeros(side, side, dtype=torch.bool)
    inner = slice(side // 2 - reach, side // 2 + reach + 1)
    expected[inner, inner] = True
    assert torch.equal(seen, expected)


def test_pooling_smooths_and_leaves_a_constant_alone() -> None:
    mixer = unit("poolformer").mixing[1]
    assert torch.equal(mixer(torch.ones(1, 1, 4, 5)), torch.zeros(1, 1, 4, 5))
    point = torch.zeros(1, 1, 5, 5)
    point[..., 2, 2] = 9.0
    smoothed = point + mixer(point)
    assert torch.equal(smoothed[0, 0, 1:4, 1:4], torch.ones(3, 3))


def test_no_two_blocks_are_one() -> None:
    weights = [{name: value.shape for name, value in tiny_met2net(block=block).state_dict().items()} for block in UNITS]
    assert all(a != b for i, a in enumerate(weights) for b in weights[:i])
