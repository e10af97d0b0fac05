"""The engine is the network: folded, in another memory layout, frame by frame, with the same result."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from tests.forecast.conftest import FRAMES_IN, FRAMES_OUT, make_fields, times
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.forecast import engine
from typhoon_tracker.forecast.folded import FoldedTranslator
from typhoon_tracker.forecast.model import FieldModel, Normalisation
from typhoon_tracker.forecast.neural import NeuralForecaster
from typhoon_tracker.nets.met2net import Met2Net, Met2NetConfig

STATISTICS = Normalisation([0.0] * 4, [1.0] * 4, [[1.0] * 4] * FRAMES_OUT)


def shaken(**settings) -> Met2Net:
    """A small network far from its start, so that norms, their buffers and layer scales matter."""
    torch.manual_seed(1)
    sizes = {"spatial_channels": 4, "temporal_channels": 16, "layers": 2, "heads": 4} | settings
    net = Met2Net(Met2NetConfig(frames_in=FRAMES_IN, frames_out=FRAMES_OUT, **sizes)).eval()
    for value in [*net.parameters(), *(b for b in net.buffers() if b.is_floating_point())]:
        value.data += 0.3 * torch.rand_like(value)
    return net


@pytest.mark.parametrize(("height", "width"), [(8, 9), (7, 10), (3, 4)])
def test_the_folded_translator_is_the_translator(height, width):
    net = shaken().double()
    z = torch.randn(2, 4, 4 * FRAMES_IN, height, width, dtype=torch.float64)
    with torch.inference_mode():
        torch.testing.assert_close(FoldedTranslator(net.translator)(z), net.translator(z), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("target", ["tendency", "state"])
def test_the_engine_is_the_model(target):
    model = FieldModel(shaken(), STATISTICS, target=target).eval()
    made = engine.build(model)
    x = torch.randn(1, FRAMES_IN, 4, 16, 24)
    with torch.inference_mode():
        whole = model(x)[0]
    assert isinstance(made, engine.RollingEngine)
    past = [made.remember(frame) for frame in x[0]]
    for frames in ([2], [2, 0], [0, 1, 2]):
        torch.testing.assert_close(made.forecast(past, x[0, -1], frames), whole[frames], rtol=1e-5, atol=1e-5)


def test_bf16_is_near_the_model():
    model = FieldModel(shaken(), STATISTICS, target="state").eval()
    made = engine.build(model, precision="bf16")
    x = torch.randn(1, FRAMES_IN, 4, 16, 24)
    with torch.inference_mode():
        whole = model(x)[0]
    forecast = made.forecast([made.remember(frame) for frame in x[0]], x[0, -1], [0, 1, 2])
    assert forecast.dtype == torch.float32
    error = (forecast - whole).std() / whole.std()
    assert 1e-5 < error < 0.03  # eight bits of mantissa: worse than float32, good to a few per cent


def test_building_an_engine_leaves_the_model_alone():
    model = FieldModel(shaken(), STATISTICS).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    engine.build(model, precision="bf16")
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_the_precision_can_be_measured():
    model = FieldModel(shaken(), STATISTICS).eval()
    assert engine.build(model, precision="auto").precision in engine.PRECISIONS
    with pytest.raises(InputError, match="precision 'fp8' is none of fp32, bf16, auto"):
        engine.build(model, precision="fp8")


def test_a_forecast_names_a_precision_that_is_not_the_plain_one(folder, fields):
    (plain,), (rough,) = (
        list(NeuralForecaster(folder, precision=one).hindcast(fields, times(5), [1])) for one in ("fp32", "bf16")
    )
    assert (plain.attrs["model"], rough.attrs["model"]) == ("small", "small (bf16)")
    assert 0 < np.abs(plain["msl"] - rough["msl"]).max() < 20


@pytest.fixture
def counted(folder, monkeypatch):
    """A forecaster, and the counts of frames that its network encodes and decodes."""
    counts = {"encoded": 0, "decoded": 0}
    encode, decode = Met2Net.encode, Met2Net.decode

    def encoding(self, x, *arguments):
        counts["encoded"] += x.shape[1]
        return encode(self, x, *arguments)

    def decoding(self, z, frames=None):
        counts["decoded"] += len(frames or range(FRAMES_OUT))
        return decode(self, z, frames)

    monkeypatch.setattr(Met2Net, "encode", encoding)
    monkeypatch.setattr(Met2Net, "decode", decoding)
    return NeuralForecaster(folder), counts


def test_an_hourly_hindcast_encodes_each_frame_once_and_decodes_what_was_asked(counted):
    neural, counts = counted
    inits = times(*range(FRAMES_IN - 1, 20))
    forecasts = list(neural.hindcast(make_fields(frames=20), inits, [2]))
    assert len(forecasts) == len(inits) == 17
    assert counts == {"encoded": 20, "decoded": 17}


def test_init_times_in_any_order_give_the_same(counted):
    neural, _ = counted
    fields = make_fields(frames=20)
    forward = list(neural.hindcast(fields, times(5, 6, 15, 16), [1, 3]))
    backward = list(neural.hindcast(fields, times(16, 15, 6, 5), [1, 3]))
    for one, other in zip(forward, reversed(backward), strict=True):
        for name in CORE:
            np.testing.assert_array_equal(one[name], other[name])


def test_a_long_hindcast_reads_no_more_than_the_frames_it_needs(counted):
    """Fields opened lazily stay on disk: only the frame at hand is loaded."""
    neural, _ = counted
    fields = make_fields(frames=20)
    read = []
    original = neural._frame

    def reading(fields, time):
        read.append(time)
        return original(fields, time)

    neural._frame = reading
    list(neural.hindcast(fields, pd.DatetimeIndex(times(9, 10)), [1]))
    assert sorted(set(read)) == [6, 7, 8, 9, 10]
