"""The main job from its command line to its files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from typhoon_tracker import track_files
from typhoon_tracker.besttrack.atcf import read_deck
from typhoon_tracker.forecast import catalogue
from typhoon_tracker.geo.sphere import distance
from typhoon_tracker.resources import DEFAULT_MODEL, shipped

from .commands import ROKE, Flat, Outcome, run, tiny_model, tracker

PERSISTENCE = (*ROKE, "--model", "persistence")
METHODS = ("model", "adjusted", "consensus", "persistence", "cliper", "analysis")


def summary(folder: Path, *, without_seconds: bool = False) -> dict:
    facts = json.loads((folder / "summary.json").read_text())
    if without_seconds:
        facts.pop("seconds")
    return facts


def table(printed: str) -> dict[str, tuple[str, ...]]:
    """Read n, lost, mean, median, p90 by method from the printed table."""
    rows = re.findall(r"^│ *(\w+) *│ *(\d+) *│ *(\d+) *│ *([\d.-]+) *│ *([\d.-]+) *│ *([\d.-]+) *│$", printed, re.M)
    return {method: tuple(numbers) for method, *numbers in rows}


def test_summary_names_everything_the_numbers_rest_on(finished: tuple[Outcome, Path]) -> None:
    facts = summary(finished[1])
    assert facts["storm"] == "ROKE"
    assert (facts["season"], facts["sid"], facts["agency"]) == (2022, "2022270N14136", "wmo")
    assert facts["fields"].startswith("reconstruction")
    assert facts["model"] == "persistence"
    assert facts["lead_hours"] == 3
    assert facts["n_forecasts"] == facts["n_scored"] + sum(facts["not_scored"].values())
    assert set(facts["error_km"]) == set(METHODS)
    assert all(set(numbers) == {"n", "mean", "median", "p90"} for numbers in facts["error_km"].values())
    assert {"fields", "forecast", "track", "total"} <= set(facts["seconds"])
    assert facts["seconds"]["total"] >= max(facts["seconds"][stage] for stage in ("fields", "forecast", "track"))


def test_table_and_summary_agree(finished: tuple[Outcome, Path]) -> None:
    facts, printed = summary(finished[1]), table(finished[0].out)
    assert finished[0].err == ""
    for method in METHODS:
        n, lost, mean, median, p90 = printed[method]
        expected = facts["error_km"][method]
        assert (int(n), float(mean), float(median), float(p90)) == tuple(expected.values())
        assert int(lost) == (facts["n_lost"] if method == "model" else 0)


def test_summary_is_that_of_the_errors_on_disk(finished: tuple[Outcome, Path]) -> None:
    errors = pd.read_csv(finished[1] / "errors.csv")
    facts = summary(finished[1])
    assert set(errors["lead_hours"]) == {3.0}
    for method in METHODS:
        km = errors.loc[errors["method"] == method, "error_km"]
        assert facts["error_km"][method]["n"] == len(km) == facts["n_scored"]
        assert facts["error_km"][method]["mean"] == pytest.approx(km.mean(), abs=0.06)
        assert facts["error_km"][method]["median"] == pytest.approx(km.median(), abs=0.06)


def test_every_file_can_be_read(finished: tuple[Outcome, Path]) -> None:
    folder = finished[1]
    tracks = track_files.read_csv(folder / "track.csv")
    facts = summary(folder)
    assert len(tracks) == facts["n_forecasts"]
    assert (tracks["lead_time"] == pd.Timedelta(hours=3)).all()
    assert (tracks["time"] == tracks["init_time"] + tracks["lead_time"]).all()
    features = track_files.read_features(folder / "track.geojson")
    assert len(features) == tracks["lat"].notna().sum()
    deck = read_deck(folder / "adeck.dat")
    assert set(deck["lead_time"]) <= {pd.Timedelta(hours=h) for h in (1, 2, 3)}
    assert deck["init_time"].nunique() == tracks.dropna(subset=["lat"])["init_time"].nunique()
    assert (folder / "map.png").read_bytes().startswith(b"\x89PNG")
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_persistent_fields_leave_the_storm_where_it_was(finished: tuple[Outcome, Path]) -> None:
    """Three hours on, the model's fix is the storm's place at the init time, so its error is that of standing still."""
    errors = pd.read_csv(finished[1] / "errors.csv").set_index("init_time")
    model, still = (errors[errors["method"] == method] for method in ("model", "stationary"))
    assert list(model.index) == list(still.index)
    assert distance(model["lat"], model["lon"], still["lat"], still["lon"]).max() < 40.0


@pytest.mark.usefixtures("no_map")
def test_json_is_the_summary_alone_and_a_second_run_gives_the_same(
    finished: tuple[Outcome, Path], tmp_path: Path
) -> None:
    outcome = run("--storm", "2022270n14136", *PERSISTENCE[4:], "--lead", "3", "--json", "--out", tmp_path / "again")
    assert (outcome.code, outcome.err) == (0, "")
    assert json.loads(outcome.out) == summary(tmp_path / "again")
    assert summary(tmp_path / "again", without_seconds=True) == summary(finished[1], without_seconds=True)
    for name in ("errors.csv", "track.csv", "track.geojson", "adeck.dat"):
        assert (tmp_path / "again" / name).read_bytes() == (finished[1] / name).read_bytes()


@pytest.mark.usefixtures("no_map")
def test_outputs_lie_under_tracks_forecast_unless_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = tracker("run", "--storm", "sonca", "--model", "persistence", "--lead", "6h")
    assert outcome.code == 0
    assert (tmp_path / "tracks/forecast/SONCA-2022/lead-06h/summary.json").is_file()
    assert "SONCA exists in 2005, 2011, 2017 and 2022; taking 2022." in outcome.out


@pytest.mark.parametrize("init", ["2022-09-30T06", "2022-09-30T15:00+09:00"])
@pytest.mark.usefixtures("no_map")
def test_from_one_init_time_the_whole_track_is_written(
    init: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = run(*PERSISTENCE, "--lead", "3h", "--init", init)
    assert outcome.code == 0, outcome.err
    folder = tmp_path / "tracks/forecast/ROKE-2022/init-2022093006"
    tracks = track_files.read_csv(folder / "track.csv")
    assert set(tracks["init_time"]) == {pd.Timestamp("2022-09-30T06")}
    assert list(tracks["lead_time"]) == [pd.Timedelta(hours=lead) for lead in range(1, 13)]
    assert summary(folder)["n_forecasts"] == 1
    assert "3 h" in outcome.out


def test_a_forecaster_that_loses_every_storm_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "forecaster", lambda *_, **__: Flat())
    outcome = run(*ROKE, "--lead", "6h", "--model", "flat", "--out", tmp_path / "flat")
    assert outcome.code == 0, outcome.err
    facts, printed = summary(tmp_path / "flat"), table(outcome.out)
    assert facts["n_lost"] == facts["n_scored"] > 0
    assert facts["error_km"]["model"] == {"n": 0, "mean": None, "median": None, "p90": None}
    assert printed["model"] == ("0", str(facts["n_lost"]), "-", "-", "-")
    assert (tmp_path / "flat/map.png").stat().st_size > 10_000
    assert (tmp_path / "flat/adeck.dat").read_text() == ""
    rows = pd.read_csv(tmp_path / "flat/track.csv")
    assert len(rows) == facts["n_forecasts"]
    assert rows["lat"].isna().all()


@pytest.mark.usefixtures("no_map")
def test_a_lost_fix_has_no_longitude_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "forecaster", lambda *_, **__: Flat())
    assert run(*ROKE, "--model", "flat", "--json", "--out", tmp_path).code == 0
    assert pd.read_csv(tmp_path / "track.csv")["lon"].isna().all()


@pytest.mark.usefixtures("no_map")
def test_a_storm_of_which_nothing_can_be_scored_is_no_error(tmp_path: Path) -> None:
    """Kulap cuts the corner of the region: it can be forecast but is never a degree inside."""
    outcome = run("--storm", "KULAP", "--season", "2022", "--model", "persistence", "--out", tmp_path / "kulap")
    assert (outcome.code, outcome.err) == (0, "")
    facts = summary(tmp_path / "kulap")
    assert (facts["n_forecasts"], facts["n_scored"], facts["n_lost"]) == (1, 0, 0)
    assert facts["error_km"] == {}
    assert "1 not (outside the region)" in outcome.out


@pytest.mark.usefixtures("no_map")
def test_a_model_folder_forecasts(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "tiny")
    outcome = run("--storm", "SONCA", "--season", "2022", "--model", model, "--json", "--out", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    facts = json.loads(outcome.out)
    assert facts["model"] == "tiny"
    assert facts["n_forecasts"] == 6


@pytest.mark.usefixtures("no_map")
def test_the_shipped_model_forecasts(tmp_path: Path) -> None:
    if not shipped("models", DEFAULT_MODEL, "config.json").is_file():
        pytest.skip(f"models/{DEFAULT_MODEL} is not there")
    outcome = run("--storm", "SONCA", "--season", "2022", "--lead", "6h", "--json", "--out", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["model"] == DEFAULT_MODEL
