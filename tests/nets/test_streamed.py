"""Streamed passes: the same values and gradients as plain ones, from a fraction of what is kept."""

from __future__ import annotations

import weakref

import pytest
import torch
import torch.nn.functional as F

from tests.nets.tiny import tiny_met2net
from typhoon_tracker.nets import streamed
from typhoon_tracker.nets.met2net import Met2Net
from typhoon_tracker.nets.streamed import gradients_at_once, in_chunks, streamed_mse

SHAPE = (2, 3, 4, 8, 12)  # (B, T, N, H, W)


@pytest.fixture(autouse=True)
def few_frames_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four frames of 4 channels on 8 x 12 points a chunk: a variable's six frames make two, the last short."""
    monkeypatch.setattr(streamed, "CHUNK_ON_CPU", 4 * 4 * 8 * 12)


def latents(net: Met2Net) -> torch.Tensor:
    torch.manual_seed(1)
    shape = (2, len(net.config.group_sizes), 3 * 4, 4, 6)
    return torch.randn(shape, dtype=torch.float64, requires_grad=True)


def frames() -> torch.Tensor:
    return torch.randn(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def gradients(loss: torch.Tensor, *inputs: torch.Tensor) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, inputs))


@pytest.mark.parametrize("settings", [{}, {"groups": (1, 2, 1)}, {"shared_coders": True}], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_streamed_mse_is_the_mean_square_error(settings: dict, weighted: bool) -> None:
    net, y = tiny_met2net(**settings), frames()
    z, parameters = latents(net), list(net.decoders.parameters())
    weight = torch.rand(3, 4, 1, 1, dtype=torch.float64) if weighted else None
    plain = ((1 if weight is None else weight) * (net.decode(z) - y) ** 2).mean()
    lean = streamed_mse(net.decoders, z, y, weight=weight)
    torch.testing.assert_close(lean, plain, rtol=1e-12, atol=0)
    for mine, theirs in zip(gradients(3 * lean, z, *parameters), gradients(3 * plain, z, *parameters), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-14)


def test_chunks_of_frames_give_what_all_frames_give() -> None:
    net, x = tiny_met2net(), frames().flatten(0, 1)[:, :1]
    coder, seen = net.encoders[0], []
    coder.register_forward_pre_hook(lambda module, given: seen.append(len(given[0])))
    found = in_chunks(coder, x, 4 * 8 * 12)
    assert seen == [4, 2]
    torch.testing.assert_close(found, coder(x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("settings", [{}, {"groups": (1, 2, 1)}, {"shared_coders": True}], ids=str)
@pytest.mark.parametrize("asked", [None, [0, 2]], ids=str)
def test_the_streamed_error_of_a_forecast_has_the_plain_ones_gradients(
    settings: dict, asked: list[int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, x = tiny_met2net(**settings), frames()
    y = frames().flip(0)[:, asked or slice(None)]
    lean = net.mean_square_error(x, y, asked)
    mine = gradients(lean, *net.parameters())
    monkeypatch.setattr(streamed, "CHUNK_ON_CPU", 2**40)
    plain = F.mse_loss(net(x, asked), y)
    torch.testing.assert_close(lean, plain, rtol=1e-12, atol=0)
    for got, expected in zip(mine, gradients(plain, *net.parameters()), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-12)


def test_only_what_learns_gets_a_gradient() -> None:
    net, y = tiny_met2net(), frames()
    z = latents(net).detach()
    net.decoders[0].requires_grad_(False)
    streamed_mse(net.decoders, z, y).backward()
    assert all(p.grad is None for p in net.decoders[0].parameters())
    assert all(p.grad is not None for p in net.decoders[1].parameters())
    assert z.grad is None
    with torch.no_grad():
        assert not streamed_mse(net.decoders, z, y).requires_grad
    assert not streamed_mse(net.decoders.requires_grad_(False), z, y).requires_grad


def test_gradients_add_up_over_backward_passes() -> None:
    net, y = tiny_met2net(), frames()
    z, parameter = latents(net), net.decoders[0][0].conv.weight  # type: ignore[index]
    loss = streamed_mse(net.decoders, z, y)
    loss.backward(retain_graph=True)
    once = parameter.grad.clone()
    loss.backward()
    torch.testing.assert_close(parameter.grad, 2 * once)


def test_second_derivatives_are_refused() -> None:
    net, y = tiny_met2net(), frames()
    z = latents(net)
    (first,) = torch.autograd.grad(streamed_mse(net.decoders, z, y), z, create_graph=True)
    with pytest.raises(RuntimeError):
        first.sum().backward()


def test_an_objective_is_differentiated_at_once() -> None:
    torch.manual_seed(0)
    layer, x = torch.nn.Linear(3, 2).double(), torch.randn(5, 3, dtype=torch.float64)

    def objective() -> torch.Tensor:
        return layer(x).square().mean()

    mine = gradients(2 * gradients_at_once(objective, layer.parameters()), *layer.parameters())
    for got, expected in zip(mine, gradients(2 * objective(), *layer.parameters()), strict=True):
        torch.testing.assert_close(got, expected)


class Saved:
    """A tensor kept for a backward pass."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor


def kept(net: Met2Net, *, lean: bool) -> int:
    """Count the values that the error of decoded latents keeps for its backward pass, parameters and latents aside."""
    z, y = latents(net), frames()
    saved: weakref.WeakSet[Saved] = weakref.WeakSet()

    def pack(tensor: torch.Tensor) -> Saved:
        saved.add(box := Saved(tensor))
        return box

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda box: box.tensor):
        loss = streamed_mse(net.decoders, z, y) if lean else F.mse_loss(net.decode(z), y)
    own = {tensor.data_ptr() for tensor in (z, *net.parameters())}
    found = {box.tensor.data_ptr(): box.tensor.numel() for box in saved if box.tensor.data_ptr() not in own}
    assert loss.requires_grad
    return sum(found.values())


def test_little_is_kept() -> None:
    net = tiny_met2net()
    gradients_of_decoders = sum(p.numel() for p in net.decoders.parameters())
    assert kept(net, lean=True) <= latents(net).numel() + gradients_of_decoders
    assert kept(net, lean=False) > 10 * kept(net, lean=True)
