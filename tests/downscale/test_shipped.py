"""What ships in models/downscale-grid: the runs of the grid, and a network that refines wind speed."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from tests.tracker.vortex import Vortex, fields, straight
from typhoon_tracker.downscale.constraints import block_mean
from typhoon_tracker.downscale.folder import find, load
from typhoon_tracker.downscale.grid_table import read_runs, table
from typhoon_tracker.downscale.interpolation import interpolation
from typhoon_tracker.downscale.report_table import REPORTED
from typhoon_tracker.resources import shipped

GRID = shipped("models", "downscale-grid")


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    return pd.DataFrame(read_runs([GRID / "runs.csv"]))


def test_every_experiment_of_the_report_was_run(runs):
    speed = runs[(runs["variable"] == "speed") & runs["seed"].notna()]
    assert {one.name for one in REPORTED} <= set(speed["cell"])
    assert not speed.duplicated(["cell", "seed"]).any()
    assert set(runs.loc[runs["cell"] == "cnn-x4-additive", "variable"]) == {"speed", "u10", "v10", "z500"}


def test_softmax_is_never_negative_and_hard_constraints_keep_the_means(runs):
    assert (runs.loc[runs["cell"].str.endswith("softmax"), "negatives"] == 0).all()
    hard = runs[runs["cell"].str.contains("softmax|additive")]
    size = hard["variable"].map({"speed": 7.0, "u10": 7.0, "v10": 7.0, "z500": 5800.0})
    assert (hard["mass_violation"] < 1e-5 * size).all()
    free = runs[runs["cell"].str.endswith(("none", "soft"))]
    assert (free.loc[free["variable"] == "speed", "mass_violation"] > 0.01).all()


def test_the_table_tells_the_seeds_that_there_are(runs):
    found = table(runs.to_dict("records")).set_index(["cell", "variable"])
    mine = runs[(runs["cell"] == "cnn-x4-softmax") & (runs["variable"] == "speed")]
    assert found.loc[("cnn-x4-softmax", "speed"), "seeds"] == mine["seed"].nunique()
    assert found.loc[("cnn-x4-softmax", "speed"), "mse"] == pytest.approx(mine["mse"].mean())
    assert found.loc[("bicubic+additive-x4", "speed"), "seeds"] == 0


def test_the_shipped_network_refines_the_wind_of_a_storm_better_than_interpolation():
    """An analytic vortex, which no training saw."""
    refiner = load(find("downscale-grid/speed-x4"))
    times = pd.date_range("2023-05-25", periods=1, freq="h")
    storm = Vortex(depth=4000.0, radius=70.0)
    made = fields([(storm, straight(times, 27.6, 125.9, storm))], times)
    truth = torch.from_numpy(np.hypot(made["u10"].values, made["v10"].values))[None, :, None, 32:96, 32:96]
    coarse = block_mean(truth, 4)
    normal = refiner.model.normalisation
    cubic = interpolation("bicubic+additive", ["speed"], factor=4, normalisation=normal)
    with torch.inference_mode():
        fine, plain = (one.model(coarse) for one in (refiner, cubic))
    assert float(fine.min()) >= 0.0
    assert ((block_mean(fine, 4) - coarse).abs() / coarse).max() < 1e-5
    assert (fine - truth).square().mean() < (plain - truth).square().mean()


def test_the_config_names_its_data_by_name_alone():
    config = json.loads((GRID / "speed-x4/config.json").read_text())
    assert config["training"]["data"] == "era5_wnp2016_storm_patches.nc"
    assert " /" not in config["training"]["command"]
    assert config["constraint"] == "softmax"
