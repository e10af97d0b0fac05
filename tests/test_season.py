"""A season's verification: one table, one JSON, the same cases for every method."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import pytest

from typhoon_tracker import season
from typhoon_tracker.besttrack import ibtracs
from typhoon_tracker.besttrack.storms import find
from typhoon_tracker.errors import InputError
from typhoon_tracker.forecast.persistence import Persistence
from typhoon_tracker.hindcast import quiet

from .commands import Outcome, tracker

STORMS = ("MERBOK", "ROKE", "KULAP", "SONCA")  # never in the region, 11 forecasts, none scored, 6 forecasts
BASELINES = ("persistence", "cliper", "cliper_fields", "stationary")
ARGUMENTS = ("verify", "--season", "2022", "--lead", "6h", "--lead", "3h", "--lead", "6", "--model", "persistence")


@contextmanager
def season_of(*names: str) -> Iterator[None]:
    """Leave only these storms in the season, to be quick."""
    best = ibtracs.load("wmo")
    storms = [find(name, season=2022, best=best) for name in names]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(season, "season_storms", lambda *_, **__: storms)
        yield


@pytest.fixture(scope="module")
def plain() -> tuple[Outcome, pd.DataFrame]:
    """What the command prints, and the errors behind it."""
    found = []

    def recorded(*arguments: Any, **options: Any) -> pd.DataFrame:
        found.append(verify(*arguments, **options))
        return found[0]

    verify = season.verify
    with season_of(*STORMS), pytest.MonkeyPatch.context() as patch:
        patch.setattr(season, "verify", recorded)
        return tracker(*ARGUMENTS, "--json"), found[0]


def test_json_holds_every_lead_and_method_with_its_interval(plain: tuple[Outcome, pd.DataFrame]) -> None:
    outcome, _ = plain
    assert (outcome.code, outcome.err) == (0, "")
    result = json.loads(outcome.out, parse_constant=pytest.fail)  # NaN is no JSON
    assert list(result) == ["3h", "6h"]
    for entry in result.values():
        for ours in ("adjusted", "consensus"):
            assert {"n", "lost", "mean", "ci", *(f"p_vs_{name}" for name in BASELINES)} <= set(entry[ours])
        assert {"p_vs_persistence", "p_vs_cliper_fields"} <= set(entry["cliper"])
        assert "p_vs_cliper" in entry["cliper_fields"]
        assert {"model", *BASELINES, *(f"p_vs_{name}" for name in BASELINES)} <= set(entry)
        for method in ("model", *BASELINES):
            numbers = entry[method]
            assert numbers["n"] == entry["model"]["n"]
            assert numbers["ci"][0] <= numbers["mean"] <= numbers["ci"][1]
    assert result["3h"]["model"]["n"] >= result["6h"]["model"]["n"] >= 1
    assert result["3h"]["persistence"]["mean"] < result["6h"]["persistence"]["mean"]


def test_table_says_what_the_json_says(plain: tuple[Outcome, pd.DataFrame], monkeypatch: pytest.MonkeyPatch) -> None:
    printed, errors = plain
    result = json.loads(printed.out)
    monkeypatch.setattr(season, "verify", lambda *_, **__: errors)
    outcome = tracker(*ARGUMENTS)
    assert outcome.code == 0
    assert "2 storms" in outcome.out
    for method, numbers in result["3h"].items():
        if isinstance(numbers, dict):
            row = next(line for line in outcome.out.splitlines() if "3 h" in line and f" {method} " in line)
            assert f"{numbers['mean']:.1f}" in row
    assert "reconstruction" in outcome.out


@pytest.mark.parametrize("seen", [True, False])
def test_a_season_that_the_model_has_seen_is_no_test_of_it(
    plain: tuple[Outcome, pd.DataFrame], monkeypatch: pytest.MonkeyPatch, seen: bool
) -> None:
    monkeypatch.setattr(season, "verify", lambda *_, **__: plain[1])
    monkeypatch.setattr(Persistence, "seasons_seen", (2022,) if seen else (2021,))
    assert ("no test of it" in tracker(*ARGUMENTS).out) is seen


def test_one_storm_has_no_interval_and_no_p_value() -> None:
    with season_of("SONCA"):
        errors = season.verify(2022, ibtracs.load("wmo"), Persistence(), [3], progress=quiet)
    entry = season.as_json(errors)["3h"]
    assert entry["model"]["ci"] == [None, None]
    assert entry["p_vs_persistence"] is None
    assert isinstance(entry["model"]["mean"], float)


def test_progress_counts_every_storm() -> None:
    seen: list[tuple[str, int, int]] = []
    with season_of("MERBOK", "SONCA"):
        season.verify(2022, ibtracs.load("wmo"), Persistence(), [3], progress=lambda *state: seen.append(state))
    assert seen == [("storms of 2022", 1, 2), ("storms of 2022", 2, 2)]


def test_a_season_without_a_storm_in_the_region_is_refused() -> None:
    with season_of("MERBOK"), pytest.raises(InputError, match=r"no storm of 2022 was in the region"):
        season.verify(2022, ibtracs.load("wmo"), Persistence(), [3], progress=quiet)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--season", "1879", "--lead", "6h"), "no storm of season 1879"),
        (("--season", "2022", "--lead", "73h"), "lead 73 h is outside 1 to 72 h"),
        (("--season", "2022", "--lead", "6h", "--lead", "soon"), "lead 'soon'"),
        (("--season", "2022", "--lead", "6h", "--agency", "jmaa"), "no best-track agency 'jmaa'"),
    ],
)
def test_bad_input_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    outcome = tracker("verify", *arguments, "--model", "persistence")
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1
