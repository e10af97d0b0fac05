"""Every storm is forecast by networks that never saw it, and what is trained is not trained again."""

from __future__ import annotations

import json

import pytest
import torch

from tests.commands import tracker
from tests.real_storms.made_up import storm
from typhoon_tracker.errors import InputError
from typhoon_tracker.forecast.checkpoint import load
from typhoon_tracker.real_storms import folds, learn, report, windows
from typhoon_tracker.real_storms.batches import Real
from typhoon_tracker.real_storms.folds import FOLDS, Budget, split, tune

TINY = {"spatial_channels": 2, "temporal_channels": 8, "layers": 1}
BUDGET = Budget(tuning=2, every=2, batch_size=2)


@pytest.fixture(scope="module")
def storms() -> list:
    return [storm(f"S{i:02}", frames=6 + i % 3, lat=12.0 + i) for i in range(12)]


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setitem(folds.NETWORKS, "met2net", TINY)


def test_every_storm_is_held_out_once_and_in_one_part_of_a_fold(storms):
    found = split(storms)
    assert sorted(s.name for fold in found for s in fold.held_out) == sorted(s.name for s in storms)
    for fold in found:
        parts = [{s.name for s in part} for part in (fold.held_out, fold.training, fold.validation)]
        assert all(parts)
        assert sum(map(len, parts)) == len(set.union(*parts)) == len(storms)
    assert len(found) == FOLDS


def test_too_few_storms_are_told():
    with pytest.raises(InputError, match="9 storms have 5 patches or more; 5 folds need 10"):
        split([storm(f"S{i}", frames=5) for i in range(9)] + [storm("BRIEF", frames=4)])


def test_a_fold_that_is_done_is_not_trained_again(storms, small, tmp_path, monkeypatch):
    fold = split(storms)[0]
    model = tune("met2net", fold, tmp_path, None, BUDGET)
    folder = tmp_path / "met2net-scratch-fold0"
    config = json.loads((folder / "config.json").read_text())
    assert config["step_hours"] == 6
    assert config["variables"] == ["u10", "v10", "z500"]
    assert not {s.name for s in fold.held_out} & {
        *config["training"]["storms"],
        *config["training"]["validation_storms"],
    }
    monkeypatch.setattr(learn, "make_trainer", lambda *_, **__: pytest.fail("trained again"))
    again = tune("met2net", fold, tmp_path, None, BUDGET)
    for one, two in zip(model.net.parameters(), again.net.parameters(), strict=True):
        assert torch.equal(one, two)


def test_tuning_starts_from_the_weights_given_with_the_folds_own_normalisation(storms, small, tmp_path):
    first, second, *_ = split(storms)
    start = tune("met2net", first, tmp_path / "a", None, BUDGET)
    tuned = tune("met2net", second, tmp_path / "b", start, Budget(tuning=2, every=2, batch_size=2, tuning_rate=1e-9))
    for one, two in zip(start.net.parameters(), tuned.net.parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-6, rtol=1e-4)
    source = Real(second.training, second.validation, batch_size=2, seed=BUDGET.seed + 1)
    assert tuned.normalisation.mean == pytest.approx(source.statistics()["mean"])
    assert load(tmp_path / "b" / "met2net-tuned-fold1")[1]["training"]["start_from"] == "met2net-pretrained"


def test_unseen_truth_teaches_nothing(storms, small, tmp_path):
    model = tune("met2net", split(storms)[0], tmp_path, None, BUDGET)
    module = learn.Weighted(model, learning_rate=1e-3, steps=1, schedule="trapezoid", seed=1)
    window, weight = Real(storms, storms[:1], batch_size=4, seed=3).batch(0)
    assert (weight == 0).any()
    spoilt = window.clone()
    spoilt[:, 4:] = torch.where((weight == 0)[:, :, None], 1e4, window[:, 4:])
    assert module.error((spoilt, weight)) == module.error((window, weight))
    assert module.error((spoilt, torch.ones_like(weight))) > module.error((window, torch.ones_like(weight)))


def test_a_nan_is_named_by_the_variable_it_is_in(storms, small, tmp_path):
    model = tune("met2net", split(storms)[0], tmp_path, None, BUDGET)
    module = learn.Weighted(model, learning_rate=1e-3, steps=1, schedule="trapezoid", seed=1)
    window, weight = Real(storms, storms[:1], batch_size=4, seed=3).batch(0)
    window[0, 0, 2, 5, 5] = torch.nan
    with pytest.raises(InputError, match="has 1 NaN or infinite values in z500"):
        module.training_step((window, weight), 0)


def test_a_file_that_is_none_is_told_in_a_sentence(tmp_path):
    done = tracker("real-storms", tmp_path / "none.nc", "--out", tmp_path / "out")
    assert done.code == 2
    assert done.err.strip().endswith("none.nc does not exist.")
    assert not (tmp_path / "out").exists()


def test_the_command_trains_scores_and_keeps(small, tmp_path, monkeypatch):
    storms = [storm(f"S{i:02}", frames=8, lat=12.0 + i) for i in range(10)]
    monkeypatch.setattr(folds.models, "__defaults__", (folds.KINDS, BUDGET))
    monkeypatch.setattr(windows, "read", lambda path: storms)
    done = tracker("real-storms", "p.nc", "--out", tmp_path, "--kind", "from-nothing", "--fold", "1", "--fold", "0")
    assert done.code == 0, done.err
    assert "met2net from nothing" in " ".join(done.out.split())
    kept = report.read_cases(tmp_path / "cases-0-1.csv.xz")
    assert kept["track_id"].nunique() == 4
    assert {path.name for path in tmp_path.glob("met2net*")} == {"met2net-scratch-fold0", "met2net-scratch-fold1"}
    wrong = tracker("real-storms", "p.nc", "--out", tmp_path, "--fold", "7")
    assert wrong.code == 2
    assert wrong.err.strip().endswith("there is no fold 7; the folds are 0 to 4.")
