"""The scores, against what they are by definition and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.downscale.samples import cases_of, silent, trained
from typhoon_tracker.downscale.evaluate import baseline, evaluate, open_model
from typhoon_tracker.downscale.metrics import Scores, scales
from typhoon_tracker.errors import InputError


def frames(seed, *, size=40, count=4):
    return torch.rand(count, size, size, generator=torch.Generator().manual_seed(seed)) * 10.0


def scored(fine, target, *, batch=2, low=0.0, members=None):
    scores = Scores(low=low, high=float(target.max()), shape=tuple(fine.shape[-2:]))
    for i in range(0, len(fine), batch):
        part = slice(i, i + batch)
        some = None if members is None else members[:, part]
        scores.add(fine[part], target[part], violation=torch.tensor([-0.5, 0.25]), members=some)
    return scores.compute()


def test_scores_by_definition():
    target = frames(0)
    fine = target + torch.randn(target.shape, generator=torch.Generator().manual_seed(1)) - 0.3
    found, off = scored(fine, target), (fine - target).double()
    assert found["mse"] == pytest.approx(off.square().mean().item())
    assert found["rmse"] == pytest.approx(math.sqrt(found["mse"]))
    assert found["mae"] == pytest.approx(off.abs().mean().item())
    assert found["bias"] == pytest.approx(off.mean().item())
    assert found["psnr"] == pytest.approx(10 * math.log10(float(target.max()) ** 2 / found["mse"]), rel=1e-6)
    assert found["pearson"] == pytest.approx(np.corrcoef(fine.flatten(), target.flatten())[0, 1], rel=1e-5)
    assert found["mass_violation"] == pytest.approx(0.375)
    assert found["negatives"] == int((fine < 0).sum()) > 0
    assert found["negative_mean"] == pytest.approx(fine[fine < 0].mean().item(), rel=1e-5)
    assert found["max_bias"] == pytest.approx((fine.amax((1, 2)) - target.amax((1, 2))).mean().item(), rel=1e-5)
    assert found["crps"] is found["spread"] is None


def test_a_perfect_field_is_perfect_and_a_worse_one_worse():
    target = frames(0)
    perfect, worse = scored(target, target), scored(target.roll(1, -1), target)
    assert (perfect["mse"], perfect["ssim"], perfect["negatives"]) == (0.0, pytest.approx(1.0), 0)
    assert perfect["pearson"] == pytest.approx(1.0)
    assert perfect["negative_mean"] is None
    assert worse["ssim"] < 0.5


def test_scores_do_not_depend_on_the_batches():
    target, fine = frames(0), frames(1)
    first, second = scored(fine, target, batch=2), scored(fine, target, batch=4)
    assert {name for name, value in first.items() if value is None} == {"negative_mean", "crps", "spread"}
    for name, value in first.items():
        assert value == (None if value is None else pytest.approx(second[name], rel=1e-5)), name


def test_ssim_does_not_depend_on_the_zero_of_the_unit_and_signed_fields_have_no_negatives():
    target, fine = frames(0), frames(1)
    plain = scored(fine, target)
    colder = Scores(low=-273.0, high=float(target.max()) - 273.0, shape=(40, 40))
    colder.add(fine - 273.0, target - 273.0, violation=torch.zeros(1))
    found = colder.compute()
    assert found["ssim"] == pytest.approx(plain["ssim"], rel=1e-4)
    assert found["negatives"] is None


def test_crps_of_a_real_ensemble():
    """Of one sharp value it is the absolute error; a spread about the truth scores better than its mean alone does."""
    target = frames(0)
    shift = torch.tensor([-1.0, 0.0, 1.0, 3.0])[:, None, None, None]
    members = target + shift
    found = scored(members.mean(0), target, members=members)
    apart = (shift.flatten()[:, None] - shift.flatten()).abs().mean().item()
    assert found["crps"] == pytest.approx(5 / 4 - apart / 2, rel=1e-6)
    assert found["spread"] == pytest.approx(shift.std().item(), rel=1e-5)
    sharp = scored(target + 1, target, members=(target + 1).expand(3, -1, -1, -1))
    assert sharp["crps"] == pytest.approx(sharp["mae"], rel=1e-6)
    assert sharp["spread"] == 0.0


def test_ms_ssim_takes_as_many_scales_as_the_grid_allows():
    assert [scales((n, n)) for n in (16, 22, 64, 100, 128, 176)] == [0, 2, 3, 4, 4, 5]
    assert scored(frames(0, size=16), frames(0, size=16))["ms_ssim"] is None
    assert scored(frames(0, size=64), frames(0, size=64))["ms_ssim"] == pytest.approx(1.0)


def test_interpolation_violates_the_means_and_the_layer_mends_that_and_helps(storms):
    cases = cases_of(storms)
    plain, mended = (
        evaluate(baseline(name, cases), cases, progress=silent).scores["speed"]
        for name in ("bicubic", "bicubic+additive")
    )
    assert plain["mass_violation"] > 0.05
    assert mended["mass_violation"] < 1e-5
    assert mended["mse"] < plain["mse"]


def test_given_means_that_are_no_block_means_hold_a_hard_constraint_from_the_truth(storms):
    cases = cases_of(storms)
    cases.coarse.add_(1.0)
    found = evaluate(baseline("bilinear+additive", cases), cases, progress=silent).scores["speed"]
    assert found["bias"] == pytest.approx(1.0, rel=1e-4)
    assert found["mass_violation"] < 1e-5


def test_an_ensemble_differs_by_its_noise_and_repeats_by_its_seed(storms, tmp_path):
    trained(storms, tmp_path, network="gan", constraint="softmax", steps=2)
    refiner, cases = open_model(str(tmp_path))
    first = evaluate(refiner, cases, members=3, progress=silent)
    assert first.facts["members"] == 3
    scores = first.scores["speed"]
    assert scores["spread"] > 0
    assert scores["crps"] < scores["mae"] * 1.001
    assert scores["mass_violation"] < 1e-5  # of the mean of members that all keep it
    assert evaluate(refiner, cases, members=3, progress=silent).scores == first.scores
    assert evaluate(refiner, cases, members=3, seed=1, progress=silent).scores != first.scores


def test_storms_seen_in_training_are_named(storms, tmp_path):
    trained(storms, tmp_path, steps=2)
    refiner, cases = open_model(str(tmp_path))
    assert not evaluate(refiner, cases, progress=silent).facts["seen_in_training"]
    seen = evaluate(refiner, cases, split="train", progress=silent).facts["seen_in_training"]
    assert seen == sorted(cases.facts["storms"]["train"])


def test_what_cannot_be_evaluated_is_told(storms):
    cases = cases_of(storms, variables=("u10",))
    with pytest.raises(InputError, match="unknown split 'tset'"):
        evaluate(baseline("bicubic", cases), cases, split="tset", progress=silent)
    with pytest.raises(InputError, match="unknown layer of a baseline 'softmax'; known: none, additive"):
        baseline("bicubic+softmax", cases)
    with pytest.raises(InputError, match="--members 1 make no ensemble"):
        evaluate(baseline("bicubic", cases), cases, members=1, progress=silent)
