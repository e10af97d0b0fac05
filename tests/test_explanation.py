"""A forecaster explained over real storms: what the maps hold, what the commands leave and refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from typhoon_tracker import explanation
from typhoon_tracker.besttrack import ibtracs
from typhoon_tracker.besttrack.motion import interpolate
from typhoon_tracker.besttrack.storms import find
from typhoon_tracker.explain.error_maps import MeanMap, around
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.forecast.base import as_forecast
from typhoon_tracker.forecast.persistence import Persistence
from typhoon_tracker.geo.sphere import distance
from typhoon_tracker.hindcast import span_inside, storm_fields, times_inside

from .commands import ROKE, Outcome, tiny_model, tracker

HOUR = pd.Timedelta(hours=1)
BEST = ibtracs.load("wmo")


class Off:
    """A forecaster that is wrong by one standard amount everywhere, in every variable."""

    name = "off"
    folder = None
    frames_in = 1
    horizon_hours = 12
    seasons_seen = (2022,)

    def hindcast(
        self, fields: xr.Dataset, init_times: pd.DatetimeIndex, lead_hours: Sequence[int]
    ) -> Iterator[xr.Dataset]:
        for init in init_times:
            truth = fields.sel(time=[min(init + lead * HOUR, fields.indexes["time"][-1]) for lead in lead_hours])
            off = {name: truth[name].values + 2.0 for name in CORE}
            yield as_forecast(off, fields, init, lead_hours, model=self.name)


@pytest.fixture(scope="module")
def roke() -> list:
    return [find("ROKE", season=2022, best=BEST)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("explain") / "tiny", layers=2)


def explain(*arguments: str | Path) -> Outcome:
    return tracker("explain", *arguments)


def test_errors_are_those_of_the_fields_at_the_storm(roke: list) -> None:
    result = explanation.errors(Off(), roke, BEST, [6, 12])
    np.testing.assert_allclose(result["error"].sel(forecaster="off").where(result["count"] > 0, 2.0), 2.0, atol=0.01)
    np.testing.assert_allclose(result["mean"].sel(forecaster="off"), 2.0, atol=0.01)
    assert result.attrs["seasons_seen_in_training"] == [2022]

    storm, lead = roke[0], 6 * HOUR
    fields = storm_fields(storm, BEST, span=span_inside(storm, frames_in=1, horizon=12))
    track = interpolate(storm.track, pd.DatetimeIndex(fields["time"].values)).set_index("time")
    changes = []
    for init in (time for time in times_inside(storm) if time.hour in (0, 6, 12, 18) and time + lead in track.index):
        at = track.loc[init + lead]
        if fields["longitude"][-1] >= at["lon"] and fields["latitude"][0] >= at["lat"]:  # it comes and leaves eastward
            here = fields["msl"].sel(latitude=at["lat"], longitude=at["lon"], method="nearest")
            changes.append(abs(float(here.sel(time=init) - here.sel(time=init + lead))))
    centre = result["error"].sel(forecaster="persistence", lead=6, variable="msl", x=0.0, y=0.0)
    assert len(changes) == int(result["cases"].sel(lead=6)) >= 8
    assert float(centre) == pytest.approx(np.mean(changes), rel=1e-4)


def test_a_storm_that_moves_is_missed_where_it_was_and_is(roke: list) -> None:
    """Persistence of the fields is wrong near the storm, and more so later; the weather far from it changes less."""
    result = explanation.errors(Persistence(), roke, BEST, [1, 6])
    msl = result["error"].sel(forecaster="persistence", variable="msl").where(result["count"] > 4)
    radius = distance(0.0, 0.0, *np.meshgrid(result["y"].values, result["x"].values, indexing="ij"))
    near, far = msl.where(radius < 250).mean(("y", "x")), msl.where(radius > 500).mean(("y", "x"))
    assert (near > 1.5 * far).all()
    assert float(near.sel(lead=6)) > 2 * float(near.sel(lead=1))


def test_the_region_is_the_mean_of_all_cases(roke: list) -> None:
    result = explanation.errors(Off(), roke, BEST, [6], centred=False, cases=3)
    assert result["error"].shape == (2, 1, 4, 128, 128)
    assert set(np.unique(result["count"])) == {int(result["cases"][0])} == {2}  # the last ends after the storm
    assert (result["y"][0], result["x"][0]) == (44.0, 110.0)


def test_maps_have_the_cases_that_have_the_point() -> None:
    total = MeanMap()
    for value in (1.0, 3.0):
        values = np.full((2, 4, 5), value)
        total.add(around(values, row=0 if value == 1.0 else 3, column=2, points=1))
    assert total.count.tolist() == [[1, 1, 1], [2, 2, 2], [1, 1, 1]]
    np.testing.assert_array_equal(total.mean[0], [[3.0] * 3, [2.0] * 3, [1.0] * 3])
    alone = MeanMap()
    alone.add(around(np.ones((1, 4, 5)), row=0, column=0, points=1))
    assert np.isnan(alone.mean[0]).tolist() == [[True] * 3, [True, False, False], [True, False, False]]


def test_around_keeps_north_up_and_the_point_in_the_middle() -> None:
    values = np.arange(20.0).reshape(1, 4, 5)
    np.testing.assert_array_equal(around(values, row=2, column=1, points=1)[0], values[0, 1:4, 0:3])


def test_attention_and_similarity_of_a_storm(roke: list, tiny: Path) -> None:
    from typhoon_tracker.explain.model import explained
    from typhoon_tracker.explain.summaries import attention_summary, similarity_summary

    model = explained(tiny)
    result = explanation.attention(model, roke, BEST, cases=2)
    assert dict(result["attention"].sizes) == {"layer": 2, "head": 2, "target": 4, "source": 4}
    np.testing.assert_allclose(result["attention"].sum("source"), 1.0, rtol=1e-5)
    np.testing.assert_allclose(attention_summary(result).sum(axis=1), 1.0, rtol=1e-5)
    one, other = (explanation.attention(model, roke, BEST, cases=n)["attention"] for n in (1, 2))
    assert float(abs(one - other).max()) > 0

    alike = explanation.similarity(model, roke, BEST, cases=1)
    within, between = alike["within"], alike["between"]
    assert float(within.min()) >= 0
    assert float(within.max()) <= 1 + 1e-9
    np.testing.assert_allclose(within, within.transpose("variable", "other_layer", "layer"))
    assert alike.attrs["examples"] == 32 * 32
    table = similarity_summary(alike)
    assert table.loc["T1", "msl and u10"] == pytest.approx(
        float(between.sel(layer="T1", variable="u10", other_variable="msl"))
    )
    assert table.loc["E4", "mean"] == pytest.approx(table.loc["E4"].drop("mean").mean())


@pytest.mark.parametrize("kind", ["attention", "similarity", "errors"])
def test_a_command_leaves_picture_and_numbers_and_says_what_of(kind: str, tiny: Path, tmp_path: Path) -> None:
    done = explain(kind, *ROKE, "--model", tiny, "--cases", "2", "--out", tmp_path / "out")
    assert (done.code, done.err) == (0, "")
    for word in (
        "2 forecasts of ROKE 2022",
        "reconstruction",
        "model   tiny",
        "msl",
        f"{kind}.png, {kind}.nc, {kind}.csv",
    ):
        assert word in done.out
    assert (tmp_path / f"out/{kind}.png").read_bytes().startswith(b"\x89PNG")
    with xr.open_dataset(tmp_path / f"out/{kind}.nc", engine="h5netcdf") as numbers:
        assert numbers.attrs["model"] == "tiny"
        assert numbers.attrs["forecasts"] == 2
    assert len(pd.read_csv(tmp_path / f"out/{kind}.csv")) >= 4
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".png", ".nc", ".csv"}


def test_json_is_all_that_is_printed(tmp_path: Path) -> None:
    done = explain(
        "errors", *ROKE, "--model", "persistence", "--cases", "1", "--lead", "6h", "--json", "--out", tmp_path
    )
    result = json.loads(done.out, parse_constant=pytest.fail)
    assert [row["variable"] for row in result["summary"]] == list(CORE)
    assert (result["storms"], result["weights_sha256"]) == ("ROKE 2022", "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("attention",), "needs --storm, such as --storm MAWAR, or --season"),
        (("attention", *ROKE, "--model", "persistence"), "no model 'persistence'"),
        (("similarity", *ROKE, "--model", "nothing"), "no model 'nothing'"),
        (("errors", *ROKE, "--lead", "100h"), "lead 100 h is outside"),
        (("errors", "--storm", "MERBOK", "--season", "2022"), "never enters the region"),
        (("errors", *ROKE, "--fields", "reconstuction"), "Did you mean reconstruction"),
        (("errors", "--season", "2022", "--fields", "auto"), "could differ from storm to storm"),
    ],
)
def test_bad_input_is_one_sentence(arguments: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    outcome = explain(*arguments, "--out", tmp_path / "out")
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_season_is_its_storms_in_the_region() -> None:
    names = {storm.name for storm in explanation.chosen_storms([], 2022, BEST)}
    assert {"ROKE", "NANMADOL"} <= names
    assert "MERBOK" not in names  # never comes near
    (one,) = explanation.chosen_storms(["mawar"], 2012, BEST)
    assert one.season == 2012
