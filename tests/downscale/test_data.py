"""Cases: from storms, fields and tensors, split so that no storm and no frame lies in two splits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from tests.downscale.samples import FRAMES, STORMS, cases_of, tensors
from tests.sources.samples import SHARED
from typhoon_tracker.downscale import data
from typhoon_tracker.downscale.cases import SPLITS, TEST, TRAIN, VALIDATION, TrainingCases
from typhoon_tracker.downscale.constraints import block_mean
from typhoon_tracker.downscale.data import open_cases
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import create
from typhoon_tracker.sources.netcdf import write_cds
from typhoon_tracker.sources.patches import open_patches
from typhoon_tracker.training.batches import Place


def test_storms_are_split_whole_by_the_seed(storms):
    cases = cases_of(storms)
    names = [set(cases.facts["storms"][split]) for split in SPLITS]
    assert len(set.union(*names)) == sum(map(len, names)) == STORMS
    assert sum(len(cases.splits[split]) for split in SPLITS) == STORMS * FRAMES
    frames = [set(cases.splits[split].flatten().tolist()) for split in SPLITS]
    assert len(set.union(*frames)) == STORMS * FRAMES
    assert cases_of(storms).facts["storms"] == cases.facts["storms"]
    assert any(cases_of(storms, split_seed=seed).facts["storms"] != cases.facts["storms"] for seed in (1, 2))


def test_speed_is_that_of_the_wind_and_coarse_is_its_block_mean(storms):
    cases, wind = cases_of(storms), cases_of(storms, variables=("u10", "v10"))
    torch.testing.assert_close(cases.fine[:, 0], wind.fine[:, 0].hypot(wind.fine[:, 1]))
    torch.testing.assert_close(cases.coarse, block_mean(cases.fine, 4))
    assert cases.facts["coarse_mismatch"] == {"speed": 0.0}
    assert (
        cases.coarse[:, 0] > block_mean(wind.fine, 4).square().sum(1).sqrt()
    ).all()  # not the speed of the mean wind


def test_sequences_stay_within_their_storm_and_step_evenly(storms):
    rows = cases_of(storms, frames=3).splits
    for split in SPLITS:
        assert (rows[split].diff() == 1).all()
        assert (rows[split][:, 0] // FRAMES == rows[split][:, -1] // FRAMES).all()
    assert sum(map(len, rows.values())) == STORMS * (FRAMES - 2)
    assert cases_of(storms, frames=3).facts["storms"] == cases_of(storms).facts["storms"]


def test_normalisation_is_of_the_training_split_alone(storms):
    cases = cases_of(storms, variables=("u10", "z500"))
    rows = cases.splits[TRAIN].flatten()
    before = cases.statistics()
    torch.testing.assert_close(torch.tensor(before.mean), cases.fine[rows].mean((0, 2, 3)), rtol=1e-5, atol=1e-4)
    for split in (VALIDATION, TEST):
        cases.fine[cases.splits[split].flatten()] += 1000.0
    assert cases.statistics() == before


def test_a_grid_that_the_factor_does_not_divide_is_cropped_about_its_middle(storms):
    whole, cropped = cases_of(storms, factor=2), cases_of(storms, factor=5)
    assert cropped.fine.shape[-2:] == (15, 15)
    assert torch.equal(cropped.fine, whole.fine[..., :15, :15])
    assert cropped.facts["cropped"] == "16 x 16 to the middle 15 x 15"
    middle = cases_of(storms, factor=4, size=10)
    assert torch.equal(middle.fine, whole.fine[..., 4:12, 4:12])
    assert middle.facts["cropped"] == "16 x 16 to the middle 8 x 8"


def test_area_weights_count_the_south_for_more(storms):
    plain, weighed = cases_of(storms, variables=("z500",)), cases_of(storms, variables=("z500",), area_weights=True)
    assert not torch.equal(plain.coarse, weighed.coarse)
    torch.testing.assert_close(weighed.coarse, block_mean(weighed.fine, 4, weights=weighed.weights))
    batch = weighed.batch(weighed.splits[TRAIN][:2])
    assert batch.weights.shape == (2, 1, 1, 16, 1)
    assert batch.weights[0, 0, 0, 0, 0].item() == pytest.approx(np.cos(np.deg2rad(22.0)), rel=1e-5)


def test_training_batches_depend_on_the_seed_and_the_step_alone(storms):
    cases = cases_of(storms)
    source = TrainingCases(cases, batch_size=4, seed=3)
    whole = [batch.fine for batch in source.training(0, 6, Place())]
    later = [batch.fine for batch in source.training(4, 6, Place())]
    assert torch.equal(whole[4], later[0])
    other = next(iter(TrainingCases(cases, batch_size=4, seed=4).training(0, 1, Place()))).fine
    assert not torch.equal(whole[0], other)
    count = len(cases.splits[TRAIN])
    seen = torch.cat([batch.fine for batch in source.training(0, -(-count // 4), Place())])[:count].flatten(1)
    assert len(seen.unique(dim=0)) == count  # every case once an epoch


@pytest.fixture
def fields(tmp_path):
    random = np.random.default_rng(0)
    values = {name: 5.0 * random.standard_normal((10, 8, 12)) for name in ("u10", "v10")}
    times = pd.date_range("2020-08-01", periods=10, freq="6h")
    made = create(values, times, 30.0 - 0.25 * np.arange(8), 120.0 + 0.25 * np.arange(12), source="noise")
    return write_cds(made, tmp_path / "fields.nc")


def test_fields_are_split_in_time_the_latest_to_test(fields):
    cases = cases_of(fields, factor=2)
    assert [cases.splits[split].flatten().tolist() for split in SPLITS] == [[0, 1, 2, 3, 4, 5], [6, 7], [8, 9]]
    assert cases.facts["times"][TEST][0] == "2020-08-03 00:00:00"
    with pytest.raises(InputError, match="leave no case for the split 'validation'"):
        cases_of(fields, factor=2, frames=3)


def test_tensors_are_read_and_what_is_no_block_mean_is_measured(tmp_path):
    cases = open_cases(str(tensors(tmp_path / "plain")), factor=2)
    assert [len(cases.splits[split]) for split in SPLITS] == [8, 2, 10]  # val tests, the last fifth of train chooses
    assert cases.facts["coarse_mismatch"]["field1"] < 1e-6
    shifted = open_cases(str(tensors(tmp_path / "shifted", shift=0.02)), factor=2, variables=("tcwv",))
    off = shifted.facts["coarse_mismatch"]["tcwv"]
    assert off == pytest.approx(0.02 / shifted.coarse.std().item(), rel=1e-3)
    three = open_cases(str(tensors(tmp_path / "three", frames=3, splits=("train", "val", "test"))), factor=2, frames=3)
    assert [len(three.splits[split]) for split in SPLITS] == [10, 10, 10]
    batch = three.batch(three.splits[TEST][:4])
    assert batch.fine.shape == (4, 3, 1, 8, 8)
    target = torch.load(tmp_path / "three/test/target_test.pt", weights_only=True)
    assert torch.equal(batch.fine, target[:4])


def test_tensors_that_do_not_fit_are_told(tmp_path):
    folder = tensors(tmp_path / "pairs")
    with pytest.raises(InputError, match="a factor of 2, not 4; give --factor 2"):
        open_cases(str(folder), factor=4)
    with pytest.raises(InputError, match=r"have 1 frame\(s\) a case, not 3"):
        open_cases(str(folder), factor=2, frames=3)
    with pytest.raises(InputError, match="no latitude for --area-weights"):
        open_cases(str(folder), factor=2, area_weights=True)
    (folder / "val/input_val.pt").write_bytes(b"no tensor")
    with pytest.raises(InputError, match=r"input_val\.pt cannot be read as a tensor"):
        open_cases(str(folder), factor=2)
    torch.save({"a": 1}, folder / "val/input_val.pt")
    with pytest.raises(InputError, match="holds dict; a tensor of numbers"):
        open_cases(str(folder), factor=2)


def test_data_that_cannot_be_used_are_told(storms, tmp_path):
    with pytest.raises(InputError, match="storm patches have no msl; they have speed, u10, v10, z500"):
        cases_of(storms, variables=("msl",))
    with pytest.raises(InputError, match=r"none\.nc does not exist"):
        cases_of(tmp_path / "none.nc")
    with pytest.raises(InputError, match="a factor of 32 does not fit a grid of 16 points"):
        cases_of(storms, factor=32)


def test_the_real_storms_are_cases(monkeypatch):
    path = SHARED / "era5_wnp2016_storm_patches.nc"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    few = open_patches(path)[:4]
    monkeypatch.setattr(data, "open_patches", lambda _: few)
    cases = cases_of(path, factor=8)
    assert sum(len(cases.splits[split]) for split in SPLITS) == sum(map(len, few))
    assert cases.fine.shape[-2:] == (96, 96)
    low, high = cases.statistics().low[0], cases.statistics().high[0]
    assert low >= 0.0
    assert 10.0 < high < 60.0
