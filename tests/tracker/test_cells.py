"""The cells of a frame: how deep a field lies there and how the wind turns, wherever the seam lies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from typhoon_tracker.geo.grid import PAPER_REGION, Region
from typhoon_tracker.tracker.cells import Cells
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
def test_depth_is_that_below_two_box_means_of_the_cells(region):
    frame = weather(region)
    unsmoothed = replace(DEFAULT, smoothing=1e-4)
    cells = Cells(frame, unsmoothed)
    lat0, step = cells.axes[:2]
    pad, rows = cells.layout.pad, len(cells.void)
    first = cells.layout.top
    around = field = frame.mass[first : first + rows].astype(float)
    width = np.sqrt(6.0) * DEFAULT.surroundings / (111.194927 * abs(step))  # cells at the equator
    high = round((width - 1) / 2)
    for _ in range(2):
        wides = [round((width / np.cos(np.radians(lat0 + i * step)) - 1) / 2) for i in range(rows)]
        across = np.stack([box_mean(row, wide, cyclic=pad > 0) for row, wide in zip(around, wides, strict=True)])
        around = np.stack([box_mean(column, high, cyclic=False) for column in across.T], axis=1)
    depth = cells.depth(frame.mass)[:, cells.core[0] : cells.core[1]]
    np.testing.assert_allclose(depth, field - around, atol=1e-6)


def box_mean(values: np.ndarray, wide: int, *, cyclic: bool) -> np.ndarray:
    places = np.arange(len(values))[:, None] + np.arange(-wide, wide + 1)
    inside = (places >= 0) & (places < len(values)) | cyclic
    return (values[places % len(values)] * inside).sum(axis=1) / inside.sum(axis=1)


@pytest.mark.parametrize("hemisphere", [1.0, -1.0])
def test_vorticity_of_a_solid_rotation_is_twice_its_rate_and_negative_in_cyclones(hemisphere):
    region = Region(10.0 + 20.0 * hemisphere, -10.0 + 20.0 * hemisphere, 120.0, 150.0)
    frame = weather(region)
    rate = 1e-5  # s-1, about the pole: u = rate a cos(latitude), vorticity = 2 rate sin(latitude)
    u = np.float32(rate * 6.371e6) * np.cos(np.radians(region.latitude[:, None])).astype(np.float32)
    cells = Cells(frame, DEFAULT)
    vorticity = cells.vorticity(np.repeat(u, len(region.longitude), axis=1), np.zeros(region.shape, np.float32))
    lat = cells.axes[0] + cells.axes[1] * np.arange(len(vorticity))
    expected = np.broadcast_to(-2 * rate * np.abs(np.sin(np.radians(lat)))[:, None], vorticity.shape)
    np.testing.assert_allclose(vorticity[4:-4, 4:-4], expected[4:-4, 4:-4], rtol=2e-3)


@pytest.mark.parametrize("region", [PAPER_REGION, GLOBE], ids=["region", "globe"])
def test_cells_without_a_value_are_void_and_change_no_field_far_from_them(region):
    frame = weather(region)
    whole = Cells(frame, DEFAULT)
    depth, vorticity = whole.depth(frame.mass), whole.vorticity(frame.u10, frame.v10)
    assert not whole.void.any()
    middle = len(region.latitude) // 2
    rows = slice(middle, middle + 6)
    frame.mass[rows, :4] = frame.u10[rows, :4] = np.nan
    cells = Cells(frame, DEFAULT)
    far = np.s_[:, cells.core[0] + 30 : cells.core[1] - 30]
    np.testing.assert_allclose(cells.depth(frame.mass)[far], depth[far], atol=1e-6)
    np.testing.assert_allclose(cells.vorticity(frame.u10, frame.v10)[far], vorticity[far], atol=1e-12)
    assert cells.void[:, cells.core[0]].any()
    assert not cells.void[far].any()
    again = slice(cells.core[1], cells.core[1] + cells.core[0])  # the columns that a globe repeats
    np.testing.assert_array_equal(cells.void[:, again], cells.void[:, cells.core[0] :][:, : cells.core[0]])


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
