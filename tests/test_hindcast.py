"""What a forecast may know, and where its fields may come from."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pandas.testing import assert_frame_equal

from typhoon_tracker import hindcast
from typhoon_tracker.besttrack import ibtracs
from typhoon_tracker.besttrack.agencies import BestTracks
from typhoon_tracker.besttrack.storms import Storm, find
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.forecast.base import Forecaster
from typhoon_tracker.forecast.neural import NeuralForecaster
from typhoon_tracker.forecast.persistence import Persistence
from typhoon_tracker.geo.grid import PAPER_REGION

from .commands import ROKE, Flat, rewritten, run, tiny_model

INIT = pd.Timestamp("2022-09-29T18")
LEADS = (3, 6, 12)


@pytest.fixture(scope="module")
def best() -> BestTracks:
    return ibtracs.load("wmo")


@pytest.fixture(scope="module")
def roke(best: BestTracks) -> Storm:
    return find("ROKE", season=2022, best=best)


@pytest.fixture(scope="module")
def fields(roke: Storm, best: BestTracks) -> xr.Dataset:
    return hindcast.storm_fields(roke, best)


@pytest.fixture(scope="module", params=["persistence", "network"])
def forecaster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Forecaster:
    if request.param == "persistence":
        return Persistence()
    return NeuralForecaster(tiny_model(tmp_path_factory.mktemp("models") / "tiny"))


def forecast(
    storm: Storm,
    best: BestTracks,
    forecaster: Forecaster,
    fields: xr.Dataset,
    inits: Sequence[pd.Timestamp] = (INIT,),
) -> hindcast.Hindcast:
    """Analyse and forecast in the given fields, cut short to be quick."""
    fields = fields.sel(time=slice(INIT - pd.Timedelta(hours=18), INIT + pd.Timedelta(hours=18)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hindcast, "storm_fields", lambda *_, **__: fields)
        analysed = hindcast.analyse(storm, best, frames_in=forecaster.frames_in, horizon=forecaster.horizon_hours)
    return hindcast.run(analysed, best, forecaster, LEADS, init_times=pd.DatetimeIndex(list(inits)).as_unit("ns"))


@pytest.fixture(scope="module")
def honest(roke: Storm, best: BestTracks, forecaster: Forecaster, fields: xr.Dataset) -> hindcast.Hindcast:
    """The forecast from INIT with all that there is."""
    return forecast(roke, best, forecaster, fields)


def garbage(fields: xr.Dataset, after: pd.Timestamp) -> xr.Dataset:
    """Replace all fields after a time by another storm: the frames backwards and upside down."""
    spoilt = fields.copy(deep=True)
    late = fields.indexes["time"] > after
    for name in CORE:
        spoilt[name].values[late] = fields[name].values[late][::-1, ::-1]
    return spoilt


def test_fields_after_the_init_time_change_nothing(
    roke: Storm, best: BestTracks, forecaster: Forecaster, fields: xr.Dataset, honest: hindcast.Hindcast
) -> None:
    blind = forecast(roke, best, forecaster, garbage(fields, INIT))
    assert len(honest.fixes) > 6
    assert_frame_equal(honest.fixes, blind.fixes)
    seen = forecast(roke, best, forecaster, garbage(fields, INIT - pd.Timedelta(hours=1)))
    assert not honest.fixes.equals(seen.fixes), "the frame at the init time must matter"


def test_fixes_after_the_init_time_change_nothing(
    roke: Storm, best: BestTracks, forecaster: Forecaster, fields: xr.Dataset, honest: hindcast.Hindcast
) -> None:
    """Best tracks that end at the init time, of this storm and all others, give the same reconstruction up to it."""
    known = BestTracks(best.table[best.table["time"] <= INIT], best.agency, best.source)
    ending = find("ROKE", season=2022, best=known)
    assert len(ending.track) < len(roke.track)
    then = hindcast.storm_fields(ending, known)
    before = slice(None, INIT)
    for name in CORE:
        np.testing.assert_array_equal(then[name].sel(time=before).values, fields[name].sel(time=before).values)
    assert_frame_equal(honest.fixes, forecast(ending, known, forecaster, then).fixes)


def test_a_moved_future_moves_the_truth_alone(
    roke: Storm, best: BestTracks, forecaster: Forecaster, fields: xr.Dataset, honest: hindcast.Hindcast
) -> None:
    moved = roke.track.copy()
    moved.loc[moved["time"] > INIT, "lat"] += 2.0
    other = forecast(dataclasses.replace(roke, track=moved), best, forecaster, fields)
    assert_frame_equal(honest.fixes, other.fixes)
    assert not honest.errors["truth_lat"].equals(other.errors["truth_lat"])


def test_one_init_time_gives_what_it_gives_among_many(
    roke: Storm, best: BestTracks, forecaster: Forecaster, fields: xr.Dataset, honest: hindcast.Hindcast
) -> None:
    times = [INIT - pd.Timedelta(hours=6), INIT, INIT + pd.Timedelta(hours=6)]
    among = forecast(roke, best, forecaster, fields, times).fixes
    assert_frame_equal(among[among["init_time"] == INIT].reset_index(drop=True), honest.fixes)


def test_reconstructed_fields_start_at_analysis_times_and_others_at_every_hour(
    roke: Storm, best: BestTracks, fields: xr.Dataset
) -> None:
    real = fields.assign_attrs(source="file era5.nc")
    reconstructed = forecast(roke, best, Persistence(), fields).analysis.init_times
    hourly = forecast(roke, best, Persistence(), real).analysis.init_times
    assert set(reconstructed.hour) == {0, 6, 12, 18}
    assert set(hourly.hour) == set(range(24))
    assert hourly.isin(hindcast.times_inside(roke)).all()


def test_a_network_starts_when_its_past_is_there(roke: Storm, best: BestTracks, tmp_path: Path) -> None:
    network = NeuralForecaster(tiny_model(tmp_path / "tiny"))
    inside = hindcast.times_inside(roke)
    late = hindcast.storm_fields(roke, best).sel(time=slice(inside[6], None))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hindcast, "storm_fields", lambda *_, **__: late)
        analysed = hindcast.analyse(roke, best, frames_in=network.frames_in, horizon=12)
    assert analysed.init_times[0] >= inside[6] + pd.Timedelta(hours=11)


@pytest.mark.parametrize("init", ["2022-09-29T15", "2022-09-29T18:30", "2022-09-20T00", "1950-01-01", "2250-01-01"])
def test_an_init_time_that_is_not_allowed_is_refused(
    init: str, roke: Storm, best: BestTracks, honest: hindcast.Hindcast
) -> None:
    start = pd.DatetimeIndex([init]).as_unit("ns")
    with pytest.raises(InputError, match=r"cannot start at .* at 00, 06, 12, 18Z from 2022-09-.* such as 2022-"):
        hindcast.run(honest.analysis, best, Persistence(), [3], init_times=start)


def test_a_lost_storm_is_a_case_not_a_gap(roke: Storm, best: BestTracks, fields: xr.Dataset) -> None:
    times = [INIT, INIT + pd.Timedelta(hours=6)]
    lost = forecast(roke, best, Flat(), fields, times)
    assert len(lost.fixes) == 0
    model = lost.errors[lost.errors["method"] == "model"]
    assert len(model) == lost.expected["scored"].sum() > 0
    assert model["error_km"].isna().all()
    row = lost.lead_track(3)
    assert list(row["init_time"]) == times
    assert row["lat"].isna().all()


def test_fields_hold_the_storm_from_its_past_to_its_horizon(roke: Storm, fields: xr.Dataset) -> None:
    inside = hindcast.times_inside(roke)
    hours = pd.Timedelta(hours=12)
    assert fields.indexes["time"][0] == inside[0] - hours
    assert fields.indexes["time"][-1] == inside[-1] + hours
    assert (fields.sizes["latitude"], fields.sizes["longitude"]) == PAPER_REGION.shape


@pytest.mark.usefixtures("no_map")
@pytest.mark.parametrize("layout", ["as written", "south to north", "rolled"])
def test_a_file_gives_what_the_fields_in_memory_gave(
    layout: str, finished: tuple[object, Path], cds_file: Path, tmp_path: Path
) -> None:
    change = {
        "as written": lambda raw: raw,
        "south to north": lambda raw: raw.isel(latitude=slice(None, None, -1)),
        "rolled": lambda raw: raw.roll(longitude=40, roll_coords=True),
    }[layout]
    path = cds_file if layout == "as written" else rewritten(cds_file, tmp_path / "changed.nc", change)
    out = tmp_path / "out"
    outcome = run(*ROKE, "--model", "persistence", "--lead", "3h", "--fields", path, "--out", out, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    facts, expected = json.loads(outcome.out), json.loads((finished[1] / "summary.json").read_text())
    facts.pop("seconds")
    expected.pop("seconds")
    assert facts == expected
    assert (out / "errors.csv").read_text() == (finished[1] / "errors.csv").read_text()
