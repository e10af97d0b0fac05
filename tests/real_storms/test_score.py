"""Forecast tracks of storms whose way is known, by forecasters whose skill is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from tests.real_storms.made_up import storm, with_another_future
from typhoon_tracker.real_storms import report, score
from typhoon_tracker.real_storms.windows import FUTURE, PAST, cut, downstream_corner, init_indices
from typhoon_tracker.verify.cliper import Cliper


class Told:
    """A forecaster that is told the truth, window by window in the order of the init times."""

    def __init__(self, series):
        self.windows = iter([cut(series, i, downstream_corner(series, i)).values for i in init_indices(series)])

    def eval(self):
        return self

    def __call__(self, past):
        return torch.stack([torch.from_numpy(next(self.windows)[PAST:]) for _ in past])


class Still(Told):
    """A forecaster whose weather stays."""

    def __init__(self):
        pass

    def __call__(self, past):
        return past[:, -1:].expand(-1, FUTURE, -1, -1, -1)


class Blank(Still):
    """A forecaster without weather."""

    def __call__(self, past):
        return torch.zeros(len(past), FUTURE, *past.shape[2:])


@pytest.fixture(scope="module")
def clipers() -> list[Cliper]:
    return score.fit_clipers(2015)


@pytest.fixture(scope="module")
def errors(clipers) -> pd.DataFrame:
    series = storm(eastward=-3.0, northward=2.0)
    models = {"told": Told(series), "still": Still(), "blank": Blank()}
    return score.errors_of(series, models, clipers, batch=3)


def mean(errors, method, hours):
    rows = errors[(errors["method"] == method) & (errors["lead_time"] == pd.Timedelta(hours=hours))]
    return rows["error_km"].mean()


def test_a_perfect_forecast_is_as_near_as_the_tracker_in_the_analysis(errors):
    for hours in (6, 24):
        assert mean(errors, "told", hours) == pytest.approx(mean(errors, score.FLOOR, hours), abs=3.0)
        assert mean(errors, "told", hours) < 25.0


def test_a_storm_that_stays_is_off_by_the_way_it_should_have_gone(errors):
    way = np.hypot(3.0, 2.0) * 3.6
    for hours in (6, 12, 24):
        assert mean(errors, "still, adjusted", hours) == pytest.approx(way * hours, rel=0.05)
        assert mean(errors, "stands still", hours) == pytest.approx(way * hours, rel=0.02)
        assert mean(errors, "persistence", hours) < 3.0  # the made-up storm keeps its motion


def test_a_storm_lost_is_a_row_without_an_error(errors):
    blank = errors[errors["method"] == "blank"]
    assert len(blank) == len(errors[errors["method"] == "persistence"]) == 18
    assert blank["error_km"].isna().all()


def test_every_method_has_the_same_cases_and_all_leads_are_within_the_storms_life(errors):
    cases = {
        method: set(zip(rows["init_time"], rows["lead_time"], strict=True)) for method, rows in errors.groupby("method")
    }
    assert len(set(map(frozenset, cases.values()))) == 1
    assert len(next(iter(cases.values()))) == 6 + 5 + 4 + 3  # ten patches


def test_no_forecast_knows_what_comes_after_its_init_time(clipers):
    series, init = storm(eastward=-3.0, northward=2.0), 5
    other = with_another_future(series, init)
    tables = [score.errors_of(one, {"still": Still()}, clipers) for one in (series, other)]
    tables = [table[(table["init_time"] <= series.times[init]) & (table["method"] != score.FLOOR)] for table in tables]
    merged = tables[0].merge(tables[1], on=["init_time", "lead_time", "method"])
    assert len(merged) > 50
    np.testing.assert_array_equal(merged["lat_x"], merged["lat_y"])
    np.testing.assert_array_equal(merged["lon_x"], merged["lon_y"])
    assert not np.allclose(merged["error_km_x"], merged["error_km_y"])  # only the truth differs


def test_cases_are_kept_and_summed_up(errors, tmp_path, capsys):
    two = pd.concat([errors, errors.assign(track_id="TWO")], ignore_index=True)
    two = two[~two["method"].str.startswith("blank")]
    report.write_cases(two, tmp_path / "cases.csv.xz")
    back = report.read_cases(tmp_path / "cases.csv.xz")
    key = ["track_id", "init_time", "lead_time", "method"]
    merged = two.merge(back, on=key)
    assert len(merged) == len(two) == len(back)
    np.testing.assert_allclose(merged["error_km_x"], merged["error_km_y"], atol=0.006)
    kept = report.scores(back)["24h"]
    assert kept["stands still"]["mean"] == pytest.approx(mean(errors, "stands still", 24), abs=0.1)
    assert kept["persistence"]["n"] == 2 * 3
    assert kept["still"]["p_vs_persistence"] < 0.5
    assert report.main([str(tmp_path / "cases.csv.xz")]) == 0
    assert "stands still" in capsys.readouterr().out


def test_the_midpoint_lies_between():
    one = pd.DataFrame({"init_time": [1, 2], "lead_time": [6, 6], "lat": [20.0, np.nan], "lon": [179.0, np.nan]})
    other = one.assign(lat=[22.0, 10.0], lon=[181.0, 120.0])[::-1]
    lat, lon = score.midpoint(one, other)[["lat", "lon"]].to_numpy().T
    assert lat[0] == pytest.approx(21.0, abs=0.02)
    assert lon[0] == pytest.approx(180.0, abs=0.02)
    assert np.isnan(lat[1])


def test_losses_are_counted(errors):
    kept = report.scores(errors[errors["method"].isin(["blank", "persistence", "cliper"])])
    assert kept["6h"]["blank"]["lost"] == kept["6h"]["blank"]["cases"] == 6
    assert kept["6h"]["persistence"]["lost"] == 0


def test_weak_storms_are_left_out_of_the_storms(errors):
    weak = errors.assign(init_wind=np.where(errors["init_time"] > errors["init_time"].min(), 40.0, 12.0))
    assert report.of_storms(weak)["init_time"].min() > errors["init_time"].min()


def test_a_file_without_cases_is_told(tmp_path, capsys):
    (tmp_path / "none.csv.xz").write_bytes(b"nothing")
    assert report.main([str(tmp_path / "none.csv.xz")]) == 2
    assert "cannot be read as the cases" in capsys.readouterr().out
