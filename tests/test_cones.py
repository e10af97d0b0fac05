"""`typhoon-tracker cone`: fitted on one season, tried on another, kept beside the weights it belongs to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer

from tests.verify.test_cone import season as errors_of_season
from typhoon_tracker import cones, season
from typhoon_tracker.besttrack import ibtracs
from typhoon_tracker.besttrack.storms import find
from typhoon_tracker.forecast.persistence import Persistence
from typhoon_tracker.verify.cone import FILE, Cone, of_model

from .commands import Outcome, command, tiny_model

LEADS = ("--lead", "3h", "--lead", "6h")


def cone(*arguments: str | Path) -> Outcome:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(cones.cone)
    return command(app, *arguments)


@pytest.fixture
def seasons(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Errors without a hindcast, 2023 half as hard again as the others; the list tells which seasons were asked for."""
    asked: list[int] = []

    def verify(year: int, best: object, forecaster: object, leads: list[int], **_: object) -> pd.DataFrame:
        asked.append(year)
        return errors_of_season(400, seed=year, scale=1.5 if year == 2023 else 1.0, leads=tuple(leads))

    monkeypatch.setattr(season, "verify", verify)
    return asked


def test_a_cone_is_fitted_on_2022_tried_on_2023_and_kept_with_the_model(seasons: list[int], tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "model")
    outcome = cone("--model", folder, *LEADS, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert seasons == [2022, 2023]
    kept = of_model(folder)
    assert kept is not None
    assert kept.lead_hours == (3.0, 6.0)
    assert (kept.season, kept.fields) == (2022, "reconstruction")
    facts = json.loads(outcome.out, parse_constant=pytest.fail)  # NaN is no JSON
    assert facts["weights_sha256"] == kept.weights_sha256
    assert facts["file"] == str(folder / FILE)
    rows = {(row["lead_hours"], row["level"]): row for row in facts["coverage"]}
    assert set(rows) == {(lead, level) for lead in (3, 6, None) for level in (0.67, 0.9)}
    assert rows[6, 0.9]["high"] < 0.9  # the harder season shows
    assert rows[6, 0.9]["radius_km"] == pytest.approx(kept.radius(6, 0.9), abs=0.1)
    (folder / "weights.safetensors").write_bytes(b"other")
    with pytest.raises(ValueError, match="other weights"):
        of_model(folder)


def test_the_table_says_where_the_numbers_come_from(seasons: list[int], tmp_path: Path) -> None:
    outcome = cone("--model", "persistence", *LEADS, "--out", tmp_path / "p.json", "--test-season", "2024")
    assert outcome.code == 0, outcome.err
    for said in (
        "fitted to 2022, tried on 2024",
        "67 % km",
        "in %",
        "reconstruction",
        "JMA",
        "p.json",
        "6 h",
        "all",
    ):
        assert said in outcome.out
    assert Cone.load(tmp_path / "p.json").weights_sha256 == ""
    assert "no test" not in outcome.out


def test_without_leads_every_hour_of_a_day_is_fitted(seasons: list[int], tmp_path: Path) -> None:
    cone("--model", "persistence", "--out", tmp_path / "p.json")
    assert Cone.load(tmp_path / "p.json").lead_hours == tuple(range(1, 25))


def test_a_test_season_that_the_model_has_seen_is_said_to_be_none(
    seasons: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Persistence, "seasons_seen", (2023,))
    assert "no test of the cone" in cone("--model", "persistence", *LEADS, "--out", tmp_path / "p.json").out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--model", "persistence"), "'persistence' has no folder to keep a cone in"),
        (("--test-season", "2022", "--out", "x.json"), "fitted to 2022 cannot be tried on 2022"),
        (("--lead", "soon"), "lead 'soon'"),
        (("--model", "nobody"), "no model 'nobody'"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_hindcast(
    arguments: tuple[str, ...], sentence: str, seasons: list[int]
) -> None:
    outcome = cone(*arguments)
    assert (outcome.code, outcome.out, seasons) == (2, "", [])
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1


def test_real_storms_make_a_cone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Persistence of ROKE and SONCA, tried on YUN-YEUNG: few storms, whole chain."""
    best = ibtracs.load("wmo")
    chosen = {2022: ("ROKE", "SONCA"), 2023: ("YUN-YEUNG",)}
    monkeypatch.setattr(
        season, "season_storms", lambda year, *_, **__: [find(name, season=year, best=best) for name in chosen[year]]
    )
    outcome = cone("--model", "persistence", "--lead", "3h", "--out", tmp_path / "p.json", "--json")
    assert outcome.code == 0, outcome.err
    made = Cone.load(tmp_path / "p.json")
    assert made.storms == (2,)
    assert 0 < made.radius(3, 0.67) <= made.radius(3, 0.9) < 300
    assert np.isin([row["n"] for row in json.loads(outcome.out)["coverage"]], range(1, 40)).all()
