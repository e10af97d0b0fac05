"""The cells of a frame: what is known of a part is what is known of the whole, wherever the seam lies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from typhoon_tracker.geo.grid import PAPER_REGION, Region
from typhoon_tracker.tracker.cells import Cells, Turning
from typhoon_tracker.tracker.detect import find
from typhoon_tracker.tracker.frame import Frame
from typhoon_tracker.tracker.settings import DEFAULT, PRESETS

GLOBE = Region(90.0, -90.0, 0.0, 359.0, step=1.0)


def weather(region: Region, *, seed: int = 0) -> Frame:
    """Waves of pressure and wind, some of them steep enough to be candidates."""
    rng = np.random.default_rng(seed)
    fields = [gaussian_filter(rng.normal(size=region.shape), 3.0, mode=("nearest", "wrap")) for _ in range(3)]
    mass, u, v = (size * field / field.std() for size, field in zip((900.0, 9.0, 9.0), fields, strict=True))
    values = [field.astype(np.float32) for field in (101_000.0 + mass, u, v)]
    return Frame(pd.Timestamp("2023-08-01"), region.latitude, region.longitude, *values)


@pytest.mark.parametrize("region", [PAPER_REGION, GLOBE], ids=["region", "globe"])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_vorticity_asked_for_in_part_is_that_of_the_whole(region, data):
    frame = weather(region)
    for name in data.draw(st.sets(st.sampled_from(["u10", "v10"]))):
        getattr(frame, name)[20:24, :7] = np.nan
    cells, others = Cells(frame, DEFAULT), Cells(frame, DEFAULT)
    part, whole = Turning(cells, frame.u10, frame.v10), Turning(others, frame.u10, frame.v10)
    rows = len(cells.void)
    place = st.tuples(st.integers(1, rows - 2), st.integers(cells.core[0], cells.core[1] - 1))
    whole.ask_all()
    for i, j in data.draw(st.lists(place, min_size=1, max_size=4)):
        radius = data.draw(st.floats(0.0, 900.0))
        part.ask_about(np.array([[i, j]]), radius)
        high = max(int(radius / (111.2 * abs(cells.axes[1]))), 2)
        near = np.s_[max(i - high, 0) : i + high + 1, max(j - high, 0) : j + high + 1]
        np.testing.assert_allclose(part.values[near], whole.values[near], rtol=1e-12, atol=1e-18)
        np.testing.assert_array_equal(cells.void[near], others.void[near])


@pytest.mark.parametrize("preset", ["default", "tempest", "weak"])
def test_candidates_do_not_depend_on_where_the_globe_is_cut(preset):
    frame = weather(GLOBE, seed=4)
    found = find(frame, PRESETS[preset])
    turned = [np.roll(field, 137, axis=1) for field in (frame.mass, frame.u10, frame.v10)]
    again = find(Frame(frame.time, frame.latitude, frame.longitude, *turned), PRESETS[preset])
    assert len(found) == len(again) > 0
    for one, other in zip(found, again, strict=True):
        assert other.lat == pytest.approx(one.lat, abs=1e-9)
        assert (other.lon - one.lon - 137.0 + 180.0) % 360.0 == pytest.approx(180.0, abs=1e-9)
        assert other.depth == pytest.approx(one.depth, rel=1e-9)
        assert other.low == one.low


def test_a_field_without_features_lies_as_high_as_its_surroundings():
    frame = weather(PAPER_REGION)
    level = np.full(PAPER_REGION.shape, 101_325.0, np.float32)
    np.testing.assert_allclose(Cells(frame, DEFAULT).depth(level), 0.0, atol=1e-8)


@pytest.mark.parametrize("step", [0.1, 0.25, 0.5])
def test_a_slope_across_the_region_is_no_depth_away_from_its_edges(step):
    region = Region(30.0, 10.0, 120.0, 150.0, step=step)
    frame = weather(region)
    slope = (101_000.0 + 2.0 * (region.latitude[:, None] - 20.0) + 0.0 * region.longitude).astype(np.float32)
    depth = Cells(frame, DEFAULT).depth(slope)
    edge = round(6.0 / (step * Cells(frame, DEFAULT).layout.size))
    assert np.abs(depth[edge:-edge, edge:-edge]).max() < 0.05
