"""Forecast fields against the fields: the same cases for every method, whatever the parts they come in."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
import xarray as xr

from typhoon_tracker import evaluation
from typhoon_tracker.besttrack import ibtracs
from typhoon_tracker.besttrack.storms import find
from typhoon_tracker.errors import InputError
from typhoon_tracker.evaluate_command import evaluate as command_line
from typhoon_tracker.fields.contract import CORE, create
from typhoon_tracker.forecast.base import as_forecast
from typhoon_tracker.forecast.persistence import Persistence
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.hindcast import quiet

from .commands import Outcome, command

REGION = Region(north=20.0, south=18.25, west=120.0, east=122.25)
HOUR = pd.Timedelta(hours=1)


class Late:
    """A forecaster that needs three frames and forecasts their mean: wrong, and not as persistence is."""

    name = "late"
    frames_in = 3
    horizon_hours = 12
    seasons_seen: Sequence[int] = (2023,)

    def hindcast(
        self, fields: xr.Dataset, init_times: pd.DatetimeIndex, lead_hours: Sequence[int]
    ) -> Iterator[xr.Dataset]:
        for init in init_times:
            past = fields.sel(time=slice(init - 2 * HOUR, init))
            assert past.sizes["time"] == 3
            frames = {name: np.repeat(past[name].mean("time").values[None], len(lead_hours), axis=0) for name in CORE}
            yield as_forecast(frames, fields, init, lead_hours, model=self.name)


def weather(hours: int = 60, *, source: str = "noise") -> xr.Dataset:
    """A random walk about typical values, so that a later lead is worse, from 2023-05-25 00Z."""
    walk = np.cumsum(np.random.default_rng(0).standard_normal((hours, len(CORE), *REGION.shape)), axis=0)
    typical = {"msl": (101_000.0, 50.0), "u10": (0.0, 1.0), "v10": (0.0, 1.0), "t2m": (295.0, 0.5)}
    values = {name: typical[name][0] + typical[name][1] * walk[:, k] for k, name in enumerate(CORE)}
    times = pd.date_range("2023-05-25", periods=hours, freq="h")
    return create(values, times, REGION.latitude, REGION.longitude, source=source)


@pytest.fixture(scope="module")
def fields() -> xr.Dataset:
    return weather()


@pytest.fixture
def in_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few points instead of the paper's 128 x 128."""
    monkeypatch.setattr(evaluation, "PAPER_REGION", REGION)


def saved(fields: xr.Dataset, path: Path) -> Path:
    fields.to_netcdf(path, engine="h5netcdf")
    return path


def tracker(*arguments: str | Path) -> Outcome:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(command_line)
    return command(app, *arguments)


def scored(result: evaluation.Evaluation) -> pd.DataFrame:
    return result.table().set_index(["method", "lead_time", "variable"])


def test_scores_are_those_of_the_forecasts_against_the_fields_at_their_valid_times(fields: xr.Dataset) -> None:
    inits = fields.indexes["time"][10:40]
    table = scored(evaluation.evaluate(Late(), fields, inits, [6, 3]))
    for name in CORE:
        values = fields[name].values.astype(float)
        for lead in (3, 6):
            truth, last = values[10 + lead : 40 + lead], values[10:40]
            late = np.mean([values[10 - k : 40 - k] for k in range(3)], axis=0)
            for method, forecast in {"persistence": last, "late": late}.items():
                row = table.loc[(method, lead * HOUR, name)]
                assert row["n"] == 30
                assert row["mse"] == pytest.approx(((forecast - truth) ** 2).mean(), rel=1e-4)
                assert row["r2"] == pytest.approx(1 - ((forecast - truth) ** 2).mean() / truth.var(), rel=1e-4)
        assert table["mse"][("persistence", 3 * HOUR, name)] < table["mse"][("persistence", 6 * HOUR, name)]
        assert table["mse"][("persistence", 3 * HOUR, name)] < table["mse"][("late", 3 * HOUR, name)]


def test_a_case_without_truth_is_left_out_for_every_method(fields: xr.Dataset) -> None:
    table = evaluation.evaluate(Late(), fields, fields.indexes["time"][40:60], [3, 12]).table()
    cases = table.groupby("lead_time")["n"].agg(["min", "max"])
    assert cases.loc[3 * HOUR].tolist() == [17, 17]
    assert cases.loc[12 * HOUR].tolist() == [8, 8]
    with pytest.raises(InputError, match=r"no forecast of 3 h can be scored: of 2 init times none"):
        evaluation.evaluate(Late(), fields, fields.indexes["time"][58:], [3])


def test_persistence_stands_alone_where_it_is_the_forecaster(fields: xr.Dataset) -> None:
    table = evaluation.evaluate(Persistence(), fields, fields.indexes["time"][:5], [3]).table()
    assert list(table["method"]) == ["persistence"] * 4


@pytest.mark.usefixtures("in_region")
@pytest.mark.parametrize("part", [7, 24, 1000])
def test_files_give_the_same_in_parts_as_whole(
    part: int, fields: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = evaluation.evaluate(Late(), fields, fields.indexes["time"][2:], [3, 12]).table()
    monkeypatch.setattr(evaluation, "PART_HOURS", part)
    path = saved(fields, tmp_path / "fields.nc")
    parts = evaluation.of_files(path, Late(), [3, 12], progress=quiet).table()
    pd.testing.assert_frame_equal(parts, whole, rtol=1e-9)


@pytest.mark.usefixtures("in_region")
def test_a_gap_in_the_files_costs_the_cases_that_need_it(fields: xr.Dataset, tmp_path: Path) -> None:
    path = saved(fields.drop_isel(time=[30]), tmp_path / "gap.nc")
    table = evaluation.of_files(path, Late(), [3], progress=quiet).table()
    # 60 hours, less 2 without a past, 3 without a truth; init times 30, 31, 32 lack their past, 27 its truth.
    assert set(table["n"]) == {60 - 2 - 3 - 4}


@pytest.mark.usefixtures("in_region")
def test_reconstructed_files_start_at_analysis_times(tmp_path: Path) -> None:
    path = saved(weather(source="reconstruction: noise"), tmp_path / "made_up.nc")
    table = evaluation.of_files(path, Persistence(), [6], progress=quiet).table()
    assert set(table["n"]) == {9}  # 60 hours hold 10 analysis times, the last without a truth


@pytest.mark.usefixtures("in_region")
def test_memory_does_not_grow_with_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "PART_HOURS", 24)
    peaks = []
    for days in (3, 3, 9):  # the first run loads libraries
        path = saved(weather(24 * days, source="reconstruction: noise"), tmp_path / f"{len(peaks)}.nc")
        tracemalloc.start()
        evaluation.of_files(path, Persistence(), [6], progress=quiet)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.2 * peaks[1]


def test_a_season_is_evaluated_from_the_init_times_of_its_verification(monkeypatch: pytest.MonkeyPatch) -> None:
    best = ibtracs.load("wmo")
    storms = [find(name, season=2022, best=best) for name in ("MERBOK", "ROKE")]  # MERBOK is never in the region
    monkeypatch.setattr(evaluation, "season_storms", lambda *_, **__: storms)
    steps: list[tuple[str, int, int]] = []
    result = evaluation.of_season(2022, best, Persistence(), [3, 12], progress=lambda *state: steps.append(state))
    table = result.table()
    assert steps == [("storms of 2022", 1, 2), ("storms of 2022", 2, 2)]
    assert set(table.loc[table["lead_time"].notna(), "n"]) == {11}  # ROKE's init times
    assert result.sources[0].startswith("reconstruction")
    assert result.years == {2022}
    assert table["r2"].between(-1, 1).all()


@pytest.mark.usefixtures("in_region")
def test_the_command_prints_the_table_and_says_what_it_is_of(fields: xr.Dataset, tmp_path: Path) -> None:
    path = saved(fields, tmp_path / "fields.nc")
    arguments = ("--fields", path, "--lead", "3h", "--lead", "6h", "--model", "persistence")
    outcome, plain = tracker(*arguments), tracker(*arguments, "--json")
    assert (outcome.code, outcome.err, plain.code) == (0, "", 0)
    result = json.loads(plain.out, parse_constant=pytest.fail)
    assert list(result["scores"]) == ["3h", "6h", "all leads"]
    numbers = result["scores"]["3h"]["persistence"]
    assert {variable: cell["n"] for variable, cell in numbers.items()} == dict.fromkeys(CORE, 57)
    row = next(line for line in outcome.out.splitlines() if "MSE" in line)
    assert f"{numbers['msl']['mse']:.1f}" in row
    assert f"{numbers['t2m']['mse']:.4f}" in row
    for word in ("3 h, 57 cases", "6 h, 54 cases", "all leads, 111 cases", "file fields.nc", "persistence"):
        assert word in outcome.out
    assert "no test of it" not in outcome.out
    weighted = json.loads(tracker(*arguments, "--json", "--area-weights").out)
    assert weighted["scores"]["3h"]["persistence"]["msl"]["mse"] != numbers["msl"]["mse"]


@pytest.mark.usefixtures("in_region")
def test_years_that_the_model_has_seen_are_no_test_of_it(
    fields: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Persistence, "seasons_seen", (2023,))
    path = saved(fields, tmp_path / "fields.nc")
    assert "has seen 2023 in training" in tracker("--fields", path, "--lead", "3h", "--model", "persistence").out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "needs either --season, such as --season 2023, or --fields"),
        (("--season", "2022", "--fields", "x.nc"), "needs either --season"),
        (("--season", "1879"), "no storm of season 1879"),
        (("--fields", "missing.nc"), "missing.nc does not exist"),
        (("--season", "2022", "--lead", "1000h"), "lead 1000 h is outside"),
        (("--season", "2022", "--lead", "soon"), "lead 'soon' is not"),
    ],
)
def test_bad_input_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    outcome = tracker("--lead", "3h", "--model", "persistence", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.usefixtures("in_region")
def test_files_too_short_for_a_forecast_are_refused(fields: xr.Dataset, tmp_path: Path) -> None:
    path = saved(fields.isel(time=slice(4)), tmp_path / "short.nc")
    with pytest.raises(InputError, match=r"no forecast that could be scored: 3 hourly frames and one 3 h after them"):
        evaluation.of_files(path, Late(), [3], progress=quiet)
