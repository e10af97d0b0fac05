"""`run --downscale`: the same cases on both grids, told as they are."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.commands import ROKE, Outcome, run
from tests.downscale.samples import trained
from tests.tracker.vortex import Vortex, fields, straight
from typhoon_tracker.downscale.along_track import Refining, Watched
from typhoon_tracker.downscale.centres import METHODS, centres
from typhoon_tracker.errors import InputError
from typhoon_tracker.forecast.catalogue import forecaster
from typhoon_tracker.geo.sphere import distance
from typhoon_tracker.tracker.frame import frames

pytestmark = pytest.mark.filterwarnings("ignore")
GRIDS = ("coarse", "fine")


@pytest.fixture(scope="module")
def refined(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, dict, pd.DataFrame, object]:
    folder = tmp_path_factory.mktemp("refined") / "roke"
    outcome = run(*ROKE, "--model", "persistence", "--downscale", "4", "--out", folder)
    assert outcome.code == 0, outcome.err
    facts = json.loads((folder / "summary.json").read_text())
    return outcome, facts, pd.read_csv(folder / "downscaled.csv"), folder


def test_both_grids_are_scored_on_the_same_cases_as_the_table_on_disk_says(refined):
    outcome, facts, table, folder = refined
    said = facts["downscaled"]
    assert (said["factor"], said["by"], said["spacing_deg"]) == (4, "bicubic+additive", [0.25, 0.0625])
    cases = table.groupby("init_time")
    assert len(cases) == said["n"] + said["n_left_out"] == facts["n_scored"] - facts["n_lost"]
    assert (cases.size() == len(GRIDS) * len(METHODS)).all()
    whole = table[cases["error_km"].transform(lambda km: km.notna().all())]
    for method in METHODS:
        for grid in GRIDS:
            km = whole.loc[(whole["method"] == method) & (whole["grid"] == grid), "error_km"]
            assert len(km) == said["n"]
            assert said["error_km"][method][grid] == pytest.approx(km.mean(), abs=0.06)
            assert f"{grid} {km.mean():6.1f} km" in outcome.out
    assert (folder / "downscaled.png").stat().st_size > 30_000


def test_the_fix_on_the_coarse_patch_is_that_of_the_run(refined):
    """So the comparison is with the tracker as it is, and what is compared is the grid alone."""
    _, facts, _, _ = refined
    assert facts["downscaled"]["error_km"]["fix"]["coarse"] == pytest.approx(
        facts["error_km"]["model"]["mean"], abs=1.0
    )


def test_block_means_are_kept(refined):
    worst = refined[1]["downscaled"]["largest_block_mean_violation"]
    assert worst["msl"] < 1e-5 * 101_000
    assert max(worst["u10"], worst["v10"]) < 1e-5 * 100


@pytest.fixture(scope="module")
def vortex():
    """A storm between four grid points: the time, the fields, where it is."""
    times = pd.date_range("2023-05-25", periods=1, freq="h")
    storm = Vortex(profile="fujita", radius=60.0)
    made = fields([(storm, straight(times, 20.09, 129.9, storm))], times, gradient=(0.0, 0.0))
    return made, 20.09, 129.9


def test_a_finer_grid_brings_the_lowest_point_nearer_and_leaves_the_fits_where_they_were(vortex):
    made, lat, lon = vortex
    fine, violation, _ = Refining(8).fine(made)
    coarse, finer = (centres(next(frames(one)), lat + 0.2, lon - 0.2) for one in (made, fine))
    away = {
        grid: {method: float(distance(lat, lon, *at)) for method, at in found.items()}
        for grid, found in (("coarse", coarse), ("fine", finer))
    }
    assert away["fine"]["lowest"] < 0.6 * away["coarse"]["lowest"]
    for method in ("paraboloid", "fix"):
        assert max(away[grid][method] for grid in GRIDS) < 0.5 * away["coarse"]["lowest"]
        assert float(distance(*coarse[method], *finer[method])) < 2.0
    assert fine.sizes["latitude"] == 8 * made.sizes["latitude"]
    assert max(violation.values()) < 1.0


def test_where_there_is_no_storm_there_is_no_centre(vortex):
    flat = vortex[0].copy(deep=True)
    flat["msl"][:] = 101_000.0
    flat["u10"][:] = flat["v10"][:] = 0.0
    found = centres(next(frames(flat)), 20.0, 130.0)
    assert np.isnan(found["fix"]).all()
    assert np.isnan(found["paraboloid"]).all()


def test_a_watched_forecaster_forecasts_the_same(vortex):
    made = vortex[0].assign(t2m=xr.full_like(vortex[0]["msl"], 300.0))
    plain = forecaster("persistence", precision="fp32")
    watched = Watched(plain, [2])
    init = made.indexes["time"][:1]
    (one,), (other,) = (list(each.hindcast(made, init, [1, 2])) for each in (plain, watched))
    assert one.identical(other)
    assert list(watched.frames) == [(init[0], pd.Timedelta(hours=2))]
    assert (watched.frames[init[0], pd.Timedelta(hours=2)]["msl"].values == made["msl"].values).all()


def test_a_trained_downscaler_gives_the_speed_and_interpolation_the_rest(storms, tmp_path, vortex):
    trained(storms, tmp_path / "speed", constraint="softmax")
    refining = Refining(4, str(tmp_path / "speed"))
    assert refining.name == "speed (msl, u10, v10 by bicubic+additive)"
    fine, violation, notes = refining.fine(vortex[0])
    assert set(fine) == {"speed", "msl", "u10", "v10"}
    assert float(fine["speed"].min()) >= 0.0
    assert violation["speed"] < 1e-4
    assert any("trained from a grid of 1 degrees; these fields have 0.25" in note for note in notes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"factor": 2}, "refines by 2, not by 4; give --downscale 2"),
        ({"variables": ("z500",), "constraint": "additive"}, "refines z500, which is not in a forecast's patch"),
        ({"network": "convgru"}, "looks along 3 frames; a patch is one"),
    ],
)
def test_a_model_that_does_not_fit_is_told(storms, tmp_path, changes, message):
    trained(storms, tmp_path / "other", **{"steps": 2, **changes})
    with pytest.raises(InputError, match=message):
        Refining(4, str(tmp_path / "other"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--downscale", "3"), "--downscale 3 is none of 2, 4, 8"),
        (("--downscale", "4", "--downscaler", "nowhere"), "no downscaler 'nowhere'"),
        (("--downscale", "4", "--downscaler", "bicubic+softmax"), "unknown layer of a baseline 'softmax'"),
    ],
)
def test_bad_input_is_told_before_the_work(options, message, tmp_path):
    outcome = run(*ROKE, "--model", "persistence", *options, "--out", tmp_path / "out")
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_map")
def test_a_run_without_it_takes_away_what_an_earlier_one_left(refined, tmp_path):
    for name in ("downscaled.csv", "downscaled.png"):
        (tmp_path / name).write_text("old")
    assert run(*ROKE, "--model", "persistence", "--json", "--out", tmp_path).code == 0
    assert not list(tmp_path.glob("downscaled.*"))
    assert "downscaled" not in json.loads((tmp_path / "summary.json").read_text())
