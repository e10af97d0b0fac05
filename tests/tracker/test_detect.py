"""Which lows are storms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.tracker.vortex import Vortex, fields, straight
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields import contract
from typhoon_tracker.fields.derived import relative_vorticity
from typhoon_tracker.geo.grid import PAPER_REGION, Region
from typhoon_tracker.geo.sphere import distance
from typhoon_tracker.tracker.detect import candidates
from typhoon_tracker.tracker.follow import follow
from typhoon_tracker.tracker.settings import Settings
from typhoon_tracker.tracker.storms import find_storms

TIMES = pd.date_range("2023-05-25", periods=5, freq="6h")


def first(data, **options):
    values = (data[name].values[0] for name in ("msl", "u10", "v10"))
    return candidates(*values, data.latitude.values, data.longitude.values, **options)


@pytest.mark.parametrize("lat", [24.0, -24.0])
def test_a_vortex_is_a_candidate_in_either_hemisphere_and_nothing_else_is(lat):
    region = Region(lat + 16, lat - 16, 110.0, 142.0)
    vortex = Vortex()
    found = first(fields([(vortex, straight(TIMES[:1], lat, 126.0, vortex))], TIMES[:1], region=region))
    assert len(found) == 1
    assert distance(found.lat[0], found.lon[0], lat, 126.0) < 25.0


def test_a_vortex_that_turns_the_wrong_way_is_no_candidate():
    vortex = Vortex()
    data = fields([(vortex, straight(TIMES[:1], 24.0, 126.0, vortex))], TIMES[:1])
    assert first(data.assign(u10=-data.u10, v10=-data.v10)).empty


def test_a_heat_low_is_not_a_storm():
    low = Vortex(1500.0, 200.0, "fujita", windy=False)
    truth = straight(TIMES, 28.0, 124.0, low)
    data = fields([(low, truth)], TIMES)
    assert first(data).empty
    assert follow(data, truth.iloc[:1]).empty
    assert find_storms(data).empty


def test_nothing_is_found_in_constant_or_sloping_fields_or_noise():
    shape = (len(TIMES), *PAPER_REGION.shape)
    rng = np.random.default_rng(3)
    slope = np.broadcast_to(101_000.0 + 20.0 * np.arange(shape[2]), shape)
    past = straight(TIMES[:1], 28.0, 124.0, Vortex())
    for msl, wind in (
        (np.full(shape, 101_000.0), np.full(shape, 5.0)),
        (slope, np.full(shape, 5.0)),
        (101_000.0 + rng.normal(0, 100, shape), rng.normal(0, 1, shape)),
    ):
        axes = PAPER_REGION.latitude, PAPER_REGION.longitude
        data = contract.create({"msl": msl, "u10": wind, "v10": wind}, TIMES, *axes, source="synthetic")
        assert find_storms(data).empty
        assert follow(data, past).empty


def test_an_open_trough_is_not_a_storm():
    _, lon = np.meshgrid(PAPER_REGION.latitude, PAPER_REGION.longitude, indexing="ij")
    x = (lon - 126.0) * 100.0 / 150.0
    msl = 101_000.0 - 1000.0 * np.exp(-(x**2))
    v = 15.0 * x * np.exp(-(x**2))
    axes = PAPER_REGION.latitude, PAPER_REGION.longitude
    values = {"msl": msl[None], "u10": 0.0 * v[None], "v10": v[None]}
    data = contract.create(values, TIMES[:1], *axes, source="synthetic")
    vorticity = relative_vorticity(data.u10.values[0], data.v10.values[0], *axes)
    assert vorticity.max() > 1e-4
    assert first(data).empty


def test_settings_refuse_what_cannot_be():
    with pytest.raises(InputError, match="patience is -1"):
        Settings(patience=-1)
    with pytest.raises(InputError, match="smoothing is 0"):
        Settings(smoothing=0)
    vortex = Vortex()
    truth = straight(TIMES, 24.0, 126.0, vortex)
    data = fields([(vortex, truth)], TIMES)
    with pytest.raises(InputError, match='"pressure" is unknown; choose one of msl, z500, vorticity'):
        follow(data, truth.iloc[:1], mass="pressure")


def test_a_missing_variable_is_named():
    vortex = Vortex()
    data = fields([(vortex, straight(TIMES, 24.0, 126.0, vortex))], TIMES)
    with pytest.raises(InputError, match="lack v10"):
        find_storms(data.drop_vars("v10"))
    with pytest.raises(InputError, match="lack z500"):
        find_storms(data, mass="z500")
