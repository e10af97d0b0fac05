"""Fields in a file refined: where the fine points lie, what they keep, what is said of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.downscale.samples import silent, trained
from typhoon_tracker.downscale.folder import load
from typhoon_tracker.downscale.refine import refine
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import create

pytestmark = pytest.mark.filterwarnings("ignore")


def coarse(frames=5, *, times=None):
    """Six by eight cells of one degree."""
    random = np.random.default_rng(1)
    times = pd.date_range("2020-08-01", periods=frames, freq="6h") if times is None else times
    values = {name: 6.0 * random.standard_normal((len(times), 6, 8)) for name in ("u10", "v10")}
    return create(values, times, 25.0 - np.arange(6.0), 120.0 + np.arange(8.0), source="noise")


@pytest.fixture(scope="module")
def model(storms, tmp_path_factory):
    """Models by name, each trained once."""
    made = {}

    def give(network, **changes):
        key = network, *changes.items()
        if key not in made:
            out = tmp_path_factory.mktemp(network) / "model"
            trained(storms, out, network=network, steps=2, **{"constraint": "additive", **changes})
            made[key] = load(out)
        return made[key]

    return give


def blocks(values, factor=4):
    return xr.DataArray(values, dims=("t", "y", "x")).coarsen(y=factor, x=factor).mean().values


def test_the_fine_points_lie_in_their_cells_and_keep_their_means(model):
    fields = coarse()
    found = refine(fields, model("cnn", variables=("u10", "v10")), progress=silent)
    fine = found.fields
    np.testing.assert_allclose(fine.latitude[:4], [25.375, 25.125, 24.875, 24.625])
    np.testing.assert_allclose(fine.longitude[-4:], [126.625, 126.875, 127.125, 127.375])
    for name in ("u10", "v10"):
        np.testing.assert_allclose(blocks(fine[name].values), fields[name].values, atol=1e-4)
        assert found.violation[name] < 1e-4
        assert fine[name].attrs["units"] == "m s-1"
    assert fine.attrs["source"] == "noise; downscaled x4 by model (constraint additive)"
    assert not found.notes


def test_area_weighted_means_are_kept_as_they_were_trained(model):
    fields = coarse()
    found = refine(fields, model("cnn", variables=("u10",), area_weights=True), progress=silent)
    fine = found.fields["u10"]
    areas = np.cos(np.deg2rad(found.fields.latitude)).values[None, :, None]
    weighed = blocks(fine.values * areas) / blocks(np.broadcast_to(areas, fine.shape))
    np.testing.assert_allclose(weighed, fields["u10"].values, atol=1e-4)
    assert found.violation["u10"] < 1e-4


def test_the_speed_of_coarse_wind_is_said_to_be_that_and_softmax_keeps_it_positive(model):
    fields = coarse()
    found = refine(fields, model("cnn", constraint="softmax"), progress=silent)
    assert float(found.fields["speed"].min()) >= 0.0
    np.testing.assert_allclose(
        blocks(found.fields["speed"].values), np.hypot(fields["u10"].values, fields["v10"].values), rtol=1e-4
    )
    assert any("less than the mean speed" in note for note in found.notes)


def test_an_unconstrained_network_is_measured(model):
    found = refine(coarse(), model("cnn", constraint="none"), progress=silent)
    assert found.violation["speed"] > 0.01


def test_another_grid_step_than_in_training_is_said(model):
    fields = coarse()
    near = fields.assign_coords(latitude=25 - 0.5 * np.arange(6.0), longitude=120 + 0.5 * np.arange(8.0))
    notes = refine(near, model("cnn", constraint="softmax"), progress=silent).notes
    assert "the model was trained from a grid of 1 degrees; these fields have 0.5" in notes


def test_voxel_flow_puts_a_frame_between_every_two(model):
    fields = coarse(4)
    found = refine(fields, model("flowconvgru"), progress=silent)
    expected = pd.date_range("2020-08-01", periods=7, freq="3h")
    assert (found.fields.indexes["time"] == expected).all()
    given = np.hypot(fields["u10"].values, fields["v10"].values)
    np.testing.assert_allclose(blocks(found.fields["speed"].values)[::2], given, rtol=1e-4, atol=1e-4)
    with pytest.raises(InputError, match="makes the frame between two; the fields hold 1"):
        refine(coarse(1), model("flowconvgru"), progress=silent)


def test_a_network_that_looks_along_time_needs_even_steps(model):
    assert refine(coarse(5), model("convgru"), progress=silent).fields.sizes["time"] == 5
    gap = pd.DatetimeIndex(["2020-08-01", "2020-08-01T06", "2020-08-02"])
    with pytest.raises(InputError, match="needs even steps; the times of the fields have gaps"):
        refine(coarse(times=gap), model("convgru"), progress=silent)


def test_members_of_a_gan_have_a_mean_and_a_spread(model):
    found = refine(coarse(2), model("gan"), members=3, progress=silent)
    assert float(found.fields["speed_spread"].mean()) > 0
    assert found.violation["speed"] < 1e-4
    again = refine(coarse(2), model("gan"), members=3, progress=silent).fields
    xr.testing.assert_identical(found.fields, again)
    with pytest.raises(InputError, match="makes one field of one; leave it out"):
        refine(coarse(2), model("cnn", constraint="none"), members=3, progress=silent)
