"""The tracker on real storms of 2016 in ERA5, and the scoring itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.tracker.vortex import Vortex, fields, straight
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.patches import Patch, name_class
from typhoon_tracker.tracker import centre
from typhoon_tracker.tracker.assess import assess_patches, summary

centre_of = centre.consensus
PATCHES = Path(__file__).resolve().parents[2] / "../shared/data/era5_wnp2016_storm_patches.nc"


def storm(visible: list[bool], offset: float = 0.0) -> list[Patch]:
    """A storm on grids that move with it, its best track `offset` degrees north of it."""
    vortex = Vortex(eastward=-6.0, northward=3.0)
    times = pd.date_range("2016-08-01", periods=len(visible), freq="6h")
    patches = []
    for row, seen in zip(straight(times, 18.0, 134.0, vortex).itertuples(), visible, strict=True):
        lat, lon = round(row.lat * 4) / 4, round(row.lon * 4) / 4
        region = Region(lat + 12, lat - 12, lon - 12, lon + 12)
        one = pd.DataFrame([row]) if seen else pd.DataFrame([row]).iloc[:0]
        data = fields([(vortex, one)], [row.time], region=region)
        u, v, height = data.u10.values[0], data.v10.values[0], (data.msl.values[0] - 101_000.0) / 11.8 + 5860.0
        truth = (row.lat + offset, row.lon, 96_000.0, 40.0)
        patches.append(Patch("ONE", row.time, region.latitude, region.longitude, u, v, height, *truth))
    return patches


def test_distance_is_that_to_the_best_track_and_the_seeded_frame_is_not_scored():
    table = assess_patches([storm([True] * 4, offset=0.3)])
    assert table.distance.to_numpy() == pytest.approx(np.full(4, 0.3 * 111.2), abs=4.0)
    assert table.seeded.tolist() == [True, False, False, False]
    scores = summary(table)
    assert scores.frames["TY"] == scores.frames["TY+"] == scores.frames["all"] == 3
    assert scores.found["TY"] == 1.0


def test_the_error_of_a_fix_is_set_against_its_distance():
    true, off = (summary(assess_patches([storm([True] * 5, offset=offset)])) for offset in (0.0, 0.3))
    assert true.error["TY"] == pytest.approx(off.error["TY"], abs=0.1)
    assert true.error["TY"] < 10.0  # km
    assert true.within["TY"] > 0.5
    assert off.within["TY"] == 0.0


def test_a_lost_frame_counts_as_not_found():
    scores = summary(assess_patches([storm([True, True, False, True, True])], mass="vorticity"))
    assert scores.frames["all"] == 4
    assert scores.found["all"] == 0.75
    late = assess_patches([storm([False, True, True])])
    assert late.seeded.tolist() == [False, True, False]
    assert summary(late).found["all"] == 0.5


def test_classes_are_those_of_the_cma():
    assert [name_class(w) for w in (10, 17.2, 24.4, 24.5, 32.7, 41.4, 41.5)] == [
        "TD", "TS", "TS", "STS", "TY", "TY", "STY",
    ]  # fmt: skip


def test_patches_have_no_msl():
    with pytest.raises(InputError, match="hold no msl"):
        assess_patches([], mass="msl")
    with pytest.raises(InputError, match="no storm patch"):
        assess_patches([])


def test_real_storms_of_2016_are_found_near_the_cma_centre():
    if not PATCHES.exists():
        pytest.skip(f"{PATCHES} is not there")
    from typhoon_tracker.sources.patches import open_patches

    scores = summary(assess_patches(open_patches(PATCHES)[::3]))
    assert scores.found["TY+"] > 0.98
    assert scores.loc["TY+", "mean"] < 35.0
    assert scores.found["all"] > 0.9
    assert scores.wrong["all"] < 0.02


def test_on_real_storms_the_consensus_beats_every_single_centre(monkeypatch):
    if not PATCHES.exists():
        pytest.skip(f"{PATCHES} is not there")
    from typhoon_tracker.sources.patches import open_patches

    storms = [list(storm) for storm in open_patches(PATCHES)]
    together = summary(assess_patches(storms))["mean"]
    for method in ("mass", "vorticity", "circulation"):

        def alone(found, chosen=method):
            return centre_of([one for one in found if one.method == chosen] or found)

        monkeypatch.setattr(centre, "consensus", alone)
        single = summary(assess_patches(storms))["mean"]
        assert together["all"] < single["all"] - 3.0
        assert together["TY+"] < single["TY+"]
