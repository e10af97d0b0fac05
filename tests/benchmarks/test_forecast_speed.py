"""Time of a forecast and of its parts: pytest tests/benchmarks/test_forecast_speed.py --benchmark-enable."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from typhoon_tracker.nets.blocks import DilatedDepthwise
from typhoon_tracker.nets.met2net import Met2Net, Met2NetConfig

SHIPPED = Met2NetConfig(spatial_channels=16, temporal_channels=192, layers=4)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Met2Net(SHIPPED).eval()


@pytest.mark.parametrize("leads", [[2, 5, 11], None], ids=["3 leads", "12 leads"])
def test_a_forecast_at_128_by_128(benchmark, network, leads):
    x = torch.randn(1, SHIPPED.frames_in, SHIPPED.variables, 128, 128)
    with torch.inference_mode():
        y = benchmark(network, x, leads)
    assert y.shape == (1, len(leads or range(12)), 4, 128, 128)


@pytest.mark.parametrize("kind", ["by phases", "plain"])
def test_dilated_depthwise_convolution(benchmark, kind):
    layer = DilatedDepthwise(SHIPPED.temporal_channels)
    x = torch.randn(4, SHIPPED.temporal_channels, 32, 32)

    def plain(x):
        return F.conv2d(x, layer.weight, layer.bias, padding=9, dilation=3, groups=layer.groups)

    with torch.inference_mode():
        y = benchmark(layer if kind == "by phases" else plain, x)
        torch.testing.assert_close(y, plain(x), atol=1e-4, rtol=1e-4)
