"""Forecasters see the past alone, and give what was asked for on the grid they were given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from tests.forecast.conftest import FRAMES_IN, FRAMES_OUT, make_fields, times
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE, validate
from typhoon_tracker.forecast.base import valid_frames
from typhoon_tracker.forecast.catalogue import forecaster
from typhoon_tracker.forecast.neural import NeuralForecaster
from typhoon_tracker.forecast.persistence import Persistence

LEADS = list(range(1, FRAMES_OUT + 1))


@pytest.fixture
def neural(folder):
    return NeuralForecaster(folder)


def test_persistence_repeats_the_frame_at_the_init_time(fields):
    (forecast,) = Persistence().hindcast(fields, times(6), [1, 6, 12])
    for name in CORE:
        for lead in range(3):
            np.testing.assert_array_equal(forecast[name][0, lead], fields[name][6])
    assert forecast.attrs["model"] == "persistence"


@pytest.mark.parametrize("kind", ["neural", "persistence"])
def test_frames_after_the_init_time_change_nothing(folder, fields, kind):
    made = NeuralForecaster(folder) if kind == "neural" else Persistence()
    other = make_fields(seed=1)
    mixed = xr.concat([fields.isel(time=slice(0, 6)), other.isel(time=slice(6, None))], "time")
    cut = fields.isel(time=slice(0, 6))
    plain, changed, without = (next(made.hindcast(f, times(5), LEADS)) for f in (fields, mixed, cut))
    for name in CORE:
        np.testing.assert_array_equal(plain[name], changed[name])
        np.testing.assert_array_equal(plain[name], without[name])


@pytest.mark.parametrize("frame", range(FRAMES_IN))
def test_every_frame_up_to_the_init_time_matters(neural, fields, frame):
    changed = fields.copy(deep=True)
    changed["msl"][{"time": 5 - frame}] += 500.0
    first, second = (next(neural.hindcast(f, times(5), LEADS)) for f in (fields, changed))
    assert np.abs(first["u10"].values - second["u10"].values).max() > 1e-6


def test_frames_before_the_past_it_needs_change_nothing(neural, fields):
    first, second = (next(neural.hindcast(f, times(5), LEADS)) for f in (fields, fields.isel(time=slice(2, None))))
    for name in CORE:
        np.testing.assert_array_equal(first[name], second[name])


def test_frames_between_the_hours_are_left_out(neural):
    """Half-hourly fields: the past is the hourly frames among them."""
    half = make_fields(frames=20, step="30min")
    first, second = (next(neural.hindcast(f, times(5), LEADS)) for f in (half, half.isel(time=slice(0, None, 2))))
    for name in CORE:
        np.testing.assert_array_equal(first[name], second[name])


def test_a_lead_is_the_networks_frame_of_that_hour(neural, model, fields):
    (forecast,) = neural.hindcast(fields, times(5), LEADS)
    past = np.stack([fields[name].values[5 - FRAMES_IN + 1 : 6] for name in CORE], 1)
    with torch.inference_mode():
        y = model(torch.from_numpy(past)[None])[0].numpy()
    for k, name in enumerate(CORE):
        np.testing.assert_allclose(forecast[name][0], y[:, k], rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("leads", [[1], [3], [1, 3], [3, 1]])
def test_some_leads_are_those_of_all(neural, fields, leads):
    (whole,), (some,) = (list(neural.hindcast(fields, times(5), which)) for which in (LEADS, leads))
    assert (some["lead_time"] / np.timedelta64(1, "h")).values.tolist() == leads
    for name in CORE:
        np.testing.assert_allclose(some[name], whole.sel(lead_time=some["lead_time"])[name], rtol=1e-6, atol=1e-4)


def test_beyond_the_horizon_it_goes_on_from_its_own_frames(neural, model, fields):
    """Leads 1-3 come from the analyses, 4-6 from the last analysis and leads 1-3 (four frames in), 7 from 3-6."""
    (forecast,) = neural.hindcast(fields, times(5), [7, 2, 4])
    frames = torch.from_numpy(np.stack([fields[name].values[2:6] for name in CORE], 1))
    with torch.inference_mode():
        for _ in range(3):
            frames = torch.cat([frames, model(frames[None, -FRAMES_IN:])[0]])
    for k, lead in enumerate([7, 2, 4]):
        for n, name in enumerate(CORE):
            np.testing.assert_allclose(forecast[name][0, k], frames[FRAMES_IN - 1 + lead, n], rtol=1e-5, atol=1e-3)
    assert (forecast["lead_time"] / np.timedelta64(1, "h")).values.tolist() == [7, 2, 4]


def test_init_times_do_not_disturb_one_another(neural, fields):
    together = list(neural.hindcast(fields, times(3, 7, 9), LEADS))
    for init, forecast in zip(times(3, 7, 9), together, strict=True):
        (alone,) = neural.hindcast(fields, pd.DatetimeIndex([init]), LEADS)
        xr.testing.assert_identical(alone, forecast)


def test_the_forecast_contract(neural, fields):
    (forecast,) = neural.hindcast(fields, times(5), [1, 3])
    assert dict(forecast.sizes) == {"init_time": 1, "lead_time": 2, "latitude": 16, "longitude": 20}
    assert forecast["valid_time"].values.tolist() == [
        [np.datetime64("2023-05-25T06", "ns").astype(int), np.datetime64("2023-05-25T08", "ns").astype(int)]
    ]
    assert forecast.attrs["model"] == "small"
    assert forecast.attrs["source"] == "noise"
    assert forecast["msl"].attrs["units"] == "Pa"
    assert forecast["msl"].dtype == np.float32
    frames = validate(valid_frames(forecast))
    assert frames.indexes["time"].equals(times(6, 8))
    np.testing.assert_array_equal(frames["u10"], forecast["u10"][0])


def test_too_short_a_past_is_refused(neural, fields):
    assert len(list(neural.hindcast(fields, times(FRAMES_IN - 1), [1]))) == 1
    message = (
        r"a forecast from 2023-05-25 02Z needs the 4 hourly frames before it; "
        r"the fields run from 2023-05-25 00Z to 2023-05-25 09Z"
    )
    with pytest.raises(InputError, match=message):
        next(neural.hindcast(fields, times(2), [1]))
    with pytest.raises(InputError, match="2023-05-25 10Z"):
        next(neural.hindcast(fields, times(5, 10), [1]))
    gappy = fields.isel(time=[0, 1, 2, 4, 5, 6])
    with pytest.raises(InputError, match="2023-05-25 06Z"):
        next(neural.hindcast(gappy, times(6), [1]))
    with pytest.raises(InputError, match="1 hourly frames"):
        next(Persistence().hindcast(gappy, times(3), [1]))


@pytest.mark.parametrize("lead", [0, -1, 73])
def test_a_lead_out_of_reach_is_refused(neural, fields, lead):
    with pytest.raises(InputError, match=rf"lead {lead} h is outside 1 to 72 h; choose one inside"):
        next(neural.hindcast(fields, times(5), [1, lead]))


@pytest.mark.parametrize(("height", "width"), [(15, 20), (16, 18)])
def test_a_grid_that_the_network_cannot_halve_is_refused(neural, height, width):
    message = rf"the grid of {height} x {width} points does not fit small: both must be multiples of 4"
    with pytest.raises(InputError, match=message):
        next(neural.hindcast(make_fields(height=height, width=width), times(5), [1]))


def test_forecasters_by_name(folder, tmp_path):
    assert isinstance(forecaster("persistence"), Persistence)
    made = forecaster(str(folder))
    assert (made.name, made.frames_in, made.horizon_hours) == ("small", FRAMES_IN, FRAMES_OUT)
    with pytest.raises(InputError, match=r"no model 'met3net': it is neither a folder with a config.json nor one of"):
        forecaster("met3net")
    with pytest.raises(InputError, match="no model"):
        forecaster(str(tmp_path))  # a folder, but of no model
