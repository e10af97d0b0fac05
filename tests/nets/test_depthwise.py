"""Blocks that compute in another order for a CPU's sake, against the plain layers that they are."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.benchmarks.plain_met2net import PlainUnit
from typhoon_tracker.nets import streamed
from typhoon_tracker.nets.blocks import ConvStage, Readout, TemporalAttentionUnit
from typhoon_tracker.nets.depthwise import Depthwise, DilatedDepthwise
from typhoon_tracker.nets.norms import GroupNorm

FORMATS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}


def compare(layer: nn.Module, plain, x: torch.Tensor) -> None:
    """Assert that values and all first gradients are those of plain(x)."""
    x.requires_grad_()
    inputs = [x, *layer.parameters()]
    mine, theirs = layer(x), plain(x)
    torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-11)
    upstream = torch.randn_like(theirs)
    pairs = zip(torch.autograd.grad(mine, inputs, upstream), torch.autograd.grad(theirs, inputs, upstream), strict=True)
    for got, expected in pairs:
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-11)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3), st.integers(1, 11), st.integers(1, 11), st.booleans(), st.integers(0, 99))
def test_depthwise_convolutions(samples: int, h: int, w: int, last: bool, seed: int) -> None:
    torch.manual_seed(seed)
    x = torch.randn(samples, 4, h, w, dtype=torch.float64)
    if last:
        x = x.contiguous(memory_format=torch.channels_last)
    for layer in (Depthwise(4, 3).double(), Depthwise(4, 5).double(), DilatedDepthwise(4).double()):
        compare(layer, lambda x, layer=layer: nn.Conv2d.forward(layer, x), x.detach())


def test_a_frozen_depthwise_convolution_passes_its_gradient_on() -> None:
    torch.manual_seed(0)
    layer = Depthwise(4, 5).requires_grad_(False)
    x = torch.randn(2, 4, 6, 6, requires_grad=True)
    layer(x).sum().backward()
    (expected,) = torch.autograd.grad(nn.Conv2d.forward(layer, x).sum(), x)
    torch.testing.assert_close(x.grad, expected)


@pytest.mark.parametrize("change", [{}, {"up": True}, {"down": True}], ids=str)
@pytest.mark.parametrize("channels", [1, 6])
def test_a_stage_is_convolution_shuffle_norm_and_silu(change: dict, channels: int) -> None:
    torch.manual_seed(0)
    stage = ConvStage(channels, 4, **change).double()
    nn.init.normal_(stage.conv.bias)
    nn.init.normal_(stage.norm.weight)

    def plain(x: torch.Tensor) -> torch.Tensor:
        y = F.conv2d(x, stage.conv.weight, stage.conv.bias, stride=stage.conv.stride, padding=1)
        y = F.pixel_shuffle(y, 2) if stage.up else y
        return F.silu(F.group_norm(y, 2, stage.norm.weight, stage.norm.bias))

    compare(stage, plain, torch.randn(3, channels, 6, 4, dtype=torch.float64))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("drop_path", [0.0, 0.5])
def test_a_unit_of_which_rows_are_dropped_is_the_plain_one(seed: int, drop_path: float, monkeypatch) -> None:
    monkeypatch.setattr(streamed, "CHUNK_ON_CPU", 1)
    unit, plain = TemporalAttentionUnit(4, drop_path).double(), PlainUnit(4, drop_path).double()
    nn.init.normal_(unit.scale1)
    nn.init.normal_(unit.scale2)
    weights = dict(unit.named_parameters())

    def textbook(x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(seed)
        return torch.func.functional_call(plain, weights, x)

    x = torch.randn(3, 4, 5, 7, dtype=torch.float64)
    torch.manual_seed(seed)  # some of the seeds drop all three rows, some none
    compare(unit, textbook, x)


def test_the_readout_is_a_convolution_in_its_own_precision() -> None:
    torch.manual_seed(0)
    layer = Readout(6, 2).double()
    compare(layer, lambda x: nn.Conv2d.forward(layer, x), torch.randn(3, 6, 4, 5, dtype=torch.float64))
    with torch.autocast("cpu", torch.bfloat16):
        assert layer.float()(torch.randn(1, 6, 4, 5).bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("formats", [("contiguous", "channels last"), ("channels last", "contiguous")], ids=str)
def test_mixed_group_norm_rounds_once(formats: tuple[str, str]) -> None:
    torch.manual_seed(0)
    x, upstream = (torch.randn(3, 8, 5, 5).bfloat16().to(memory_format=FORMATS[name]) for name in formats)
    norm = GroupNorm(2, 8)
    nn.init.normal_(norm.weight)
    inputs = [x.requires_grad_(), *norm.parameters()]
    exact, mine = F.group_norm(x.float(), 2, norm.weight, norm.bias), norm(x)
    assert mine.dtype == torch.bfloat16
    torch.testing.assert_close(mine.float(), exact, rtol=2**-8, atol=1e-6)
    got, expected = (torch.autograd.grad(y, inputs, upstream.to(y.dtype)) for y in (mine, exact))
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a.float(), b.float(), rtol=2**-7, atol=1e-3)
