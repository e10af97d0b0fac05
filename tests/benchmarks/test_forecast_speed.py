"""Forecasts by the engine against the plain network: pytest tests/benchmarks/test_forecast_speed.py --benchmark-enable.

The tables' brackets are the ratios. Without --benchmark-enable a small network runs once, to show that all agree.
"""

from __future__ import annotations

import resource
import subprocess
import sys

import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from tests.benchmarks.plain_met2net import PlainMet2Net
from typhoon_tracker import hindcast as hindcasts
from typhoon_tracker.besttrack import ibtracs
from typhoon_tracker.besttrack.storms import find
from typhoon_tracker.forecast import engine
from typhoon_tracker.forecast.catalogue import forecaster
from typhoon_tracker.forecast.folded import FoldedTranslator
from typhoon_tracker.forecast.model import FieldModel, Normalisation
from typhoon_tracker.geo.sphere import distance
from typhoon_tracker.nets.met2net import Met2Net, Met2NetConfig
from typhoon_tracker.resources import DEFAULT_MODEL

PAPER = Met2NetConfig()
SMALL = Met2NetConfig(spatial_channels=4, temporal_channels=16, layers=1)
KINDS = ["plain", "fp32", "bf16"]
TOLERANCE = {"plain": 0.0, "fp32": 1e-5, "bf16": 0.1}
STATE = Normalisation([0.0] * 4, [1.0] * 4, [[1.0] * 4] * 12)
EVERY_LEAD = list(range(12))


def build(kind: str, config: Met2NetConfig):
    torch.manual_seed(0)
    net = Met2Net(config)
    for value in net.parameters():  # away from the start, where the layer scales hide the translator
        value.data += 0.02 * torch.randn_like(value)
    if kind == "plain":
        plain = PlainMet2Net(config)
        plain.load_state_dict(net.state_dict())
        return plain.eval()
    return engine.build(FieldModel(net, STATE, target="state").eval(), precision=kind)


def hindcast(made, frames: torch.Tensor, leads: list[int]) -> torch.Tensor:
    """Forecast from every frame that has its past, as a hindcast does; return the last forecast."""
    past, result = [], torch.empty(0)
    for i, frame in enumerate(frames):
        if isinstance(made, PlainMet2Net):
            if i >= 11:
                with torch.inference_mode():
                    result = made(frames[None, i - 11 : i + 1])[0, leads]
            continue
        past = [*past[-11:], made.remember(frame)]
        if len(past) == 12:
            result = made.forecast(past, frame, leads)
    return result


@pytest.fixture(scope="module")
def setting(request):
    """The paper's size on its grid when measuring, else a small one."""
    measuring = request.config.getoption("benchmark_enable")
    return (PAPER, 128, 100) if measuring else (SMALL, 16, 3)


@pytest.mark.benchmark(group="one forecast, all 12 leads")
@pytest.mark.parametrize("kind", KINDS)
def test_one_forecast(benchmark, setting, kind):
    config, size, _ = setting
    x = torch.randn(12, 4, size, size)
    y = benchmark.pedantic(hindcast, (build(kind, config), x, EVERY_LEAD), rounds=7, warmup_rounds=1)
    expected = hindcast(build("plain", config), x, EVERY_LEAD)
    assert (y - expected).abs().max() <= TOLERANCE[kind] * max(1.0, expected.abs().max())


@pytest.mark.benchmark(group="hourly hindcast, lead 3 h alone")
@pytest.mark.parametrize("kind", KINDS)
def test_hindcast_of_one_lead(benchmark, setting, kind):
    config, size, inits = setting
    x = torch.randn(11 + inits, 4, size, size)
    y = benchmark.pedantic(hindcast, (build(kind, config), x, [2]), rounds=1)
    expected = hindcast(build("plain", config), x[-12:], [2])
    assert (y - expected).abs().max() <= TOLERANCE[kind] * max(1.0, expected.abs().max())


@pytest.mark.benchmark(group="hourly hindcast, leads 1-3 h, through which the storm is followed")
@pytest.mark.parametrize("kind", KINDS)
def test_hindcast_of_three_leads(benchmark, setting, kind):
    config, size, inits = setting
    x = torch.randn(11 + inits, 4, size, size)
    assert benchmark.pedantic(hindcast, (build(kind, config), x, [0, 1, 2]), rounds=1).shape == (3, 4, size, size)


@pytest.mark.parametrize("inits", [10, 100])
@pytest.mark.parametrize("kind", KINDS)
def test_memory_of_a_hindcast(request, capsys, kind, inits):
    """Print the peak memory, above the interpreter's own, of a hindcast whose frames come one by one."""
    if not request.config.getoption("benchmark_enable"):
        pytest.skip("a measurement: --benchmark-enable")
    code = f"from tests.benchmarks.test_forecast_speed import memory; print(memory({kind!r}, {inits}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    with capsys.disabled():
        print(f"\n{kind}, {inits} init times: {float(done.stdout):.0f} MiB")


def memory(kind: str, inits: int) -> float:
    """Return the growth of the peak resident memory by a hindcast, MiB."""
    made = build(kind, PAPER)

    class Frames:
        def __iter__(self):
            for i in range(11 + inits):
                torch.manual_seed(i)
                yield torch.randn(4, 128, 128)

        def __getitem__(self, at):
            return torch.stack([frame for i, frame in enumerate(self) if at[1].start <= i < at[1].stop])[None]

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    hindcast(made, Frames(), [2])  # type: ignore[arg-type]
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


@pytest.mark.benchmark(group="translator")
@pytest.mark.parametrize("kind", ["plain", "package", "folded"])
def test_translator(benchmark, setting, kind):
    config, size, _ = setting
    net = Met2Net(config).eval()
    plain = PlainMet2Net(config).eval()
    plain.load_state_dict(net.state_dict())
    made = {"plain": plain.translator, "package": net.translator, "folded": FoldedTranslator(net.translator)}[kind]
    z = torch.randn(1, 4, 12 * config.spatial_channels, size // 4, size // 4)
    with torch.inference_mode():
        y = benchmark.pedantic(made, (z,), rounds=5, warmup_rounds=1)
        torch.testing.assert_close(y, plain.translator(z), atol=1e-4, rtol=1e-4)


@pytest.mark.benchmark(group="dilated depthwise convolution")
@pytest.mark.parametrize("kind", ["by phases", "plain"])
def test_dilated_depthwise_convolution(benchmark, setting, kind):
    config, size, _ = setting
    layer = Met2Net(config).translator.layers[0].unit.far
    x = torch.randn(4, config.temporal_channels, size // 4, size // 4)

    def plain(x):
        return F.conv2d(x, layer.weight, layer.bias, padding=9, dilation=3, groups=layer.groups)

    with torch.inference_mode():
        y = benchmark(layer if kind == "by phases" else plain, x)
        torch.testing.assert_close(y, plain(x), atol=1e-4, rtol=1e-4)


def test_centre_shift_of_bf16(request, capsys):
    """Print how far bf16 moves the shipped weights' fixes of Mawar 2023 from those in fp32."""
    if not request.config.getoption("benchmark_enable"):
        pytest.skip("a measurement: --benchmark-enable")
    best = ibtracs.load("wmo")
    storm = find("MAWAR", season=2023, best=best)
    analysed = hindcasts.analyse(storm, best, frames_in=12, horizon=12)
    inits = analysed.init_times[::3]
    fixes = [
        hindcasts.run(analysed, best, forecaster(DEFAULT_MODEL, precision=one), [12], init_times=inits).fixes
        for one in engine.PRECISIONS
    ]
    both = fixes[0].merge(fixes[1], on=["init_time", "lead_time"], suffixes=("", "_bf16"))
    both["km"] = distance(both["lat"], both["lon"], both["lat_bf16"], both["lon_bf16"])
    shift = both.groupby("lead_time")["km"].agg(["mean", "max", "size"]).loc[pd.to_timedelta([1, 3, 6, 12], unit="h")]
    with capsys.disabled():
        print(f"\ncentre shift by bf16, km\n{shift.round(2)}")
