"""Means over the same cases, intervals over storms, ties, and what the terminal and JSON show."""

import json

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from typhoon_tracker.errors import InputError
from typhoon_tracker.verify.report import as_json, table
from typhoon_tracker.verify.statistics import (
    clustered_bootstrap,
    compare,
    homogeneous,
    mean_interval,
    skill,
    summary,
    superior_frequency,
)

HOUR = pd.Timedelta(hours=1)


def errors_of(method: str, values: list, *, lead: int = 6, storms: list | None = None) -> pd.DataFrame:
    """Return error rows, one init time after another."""
    n = len(values)
    return pd.DataFrame(
        {
            "track_id": storms or ["A"] * n,
            "init_time": pd.date_range("2023-08-01", periods=n, freq="6h"),
            "lead_time": lead * HOUR,
            "method": method,
            "truth_lat": 20.0,
            "error_km": np.array(values, float),
        }
    )


def test_the_interval_of_independent_errors_is_the_analytic_one():
    values = np.random.default_rng(0).normal(100.0, 30.0, 400)
    low, high = mean_interval(values, np.arange(400))
    half = 1.96 * values.std() / np.sqrt(400)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_repeating_forecasts_of_a_storm_adds_no_certainty():
    values = np.random.default_rng(1).normal(100.0, 30.0, 100)
    once = mean_interval(values, np.arange(100))
    ten_times = mean_interval(np.repeat(values, 10), np.repeat(np.arange(100), 10))
    naive = mean_interval(np.repeat(values, 10), np.arange(1000))
    assert ten_times == pytest.approx(once)
    assert naive[1] - naive[0] < 0.4 * (once[1] - once[0])


def test_storms_count_by_their_cases_in_the_mean():
    result = clustered_bootstrap([10.0, 10.0, 10.0, 50.0], np.zeros(4), ["A", "A", "A", "B"])
    assert result.mean == pytest.approx(20.0)
    assert (result.low, result.high) == pytest.approx((10.0, 50.0))
    assert (result.n, result.clusters) == (4, 2)


def test_a_paired_difference_is_found_that_the_scatter_hides():
    rng = np.random.default_rng(2)
    hard = rng.exponential(200.0, 300)
    storms = np.repeat(np.arange(30), 10)
    better = clustered_bootstrap(hard, hard + rng.normal(5.0, 10.0, 300), storms)
    same = clustered_bootstrap(hard, hard + rng.normal(0.0, 10.0, 300), storms)
    assert better.mean < 0
    assert better.high < 0
    assert better.p_value < 0.01
    assert same.p_value > 0.05
    assert clustered_bootstrap(hard, hard, storms).p_value == 1.0


def test_under_the_null_the_p_value_is_uniform():
    rng = np.random.default_rng(4)
    storms = np.repeat(np.arange(40), 5)
    p = []
    for _ in range(200):
        shared = np.repeat(rng.normal(0, 10, 40), 5)  # one storm's forecasts err alike
        p.append(clustered_bootstrap(shared + rng.normal(0, 5, 200), np.zeros(200), storms, draws=400).p_value)
    assert 0.01 < np.mean(np.array(p) < 0.05) < 0.12


def test_the_bootstrap_repeats_itself_and_one_storm_gives_no_interval():
    a, b, storms = [1.0, 2.0, 4.0], [2.0, 2.0, 3.0], ["A", "B", "C"]
    assert clustered_bootstrap(a, b, storms) == clustered_bootstrap(a, b, storms)
    alone = clustered_bootstrap(a, b, ["A"] * 3)
    assert alone.mean == pytest.approx(0.0)
    assert np.isnan([alone.low, alone.high, alone.p_value]).all()
    with pytest.raises(InputError, match="3 and 2 errors"):
        clustered_bootstrap(a, b[:2], storms)


def test_ties_and_lost_forecasts_are_left_out_of_superior_performance():
    assert superior_frequency([1, 5, 7, 9, np.nan], [2, 5, 8, 4, 3]) == pytest.approx(2 / 3)
    assert np.isnan(superior_frequency([5.0], [5.0]))


def test_skill_is_the_error_saved():
    assert skill(75.0, 100.0) == pytest.approx(25.0)
    assert skill(150.0, 100.0) == pytest.approx(-50.0)
    assert np.isnan(skill(1.0, 0.0))


def test_all_methods_are_averaged_over_the_cases_that_none_lost():
    model = errors_of("model", [10.0, np.nan, 30.0, 20.0])
    baseline = errors_of("persistence", [40.0, 4000.0, 60.0, 50.0])
    rows = summary(pd.concat([model, baseline])).set_index("method")
    assert rows["mean"].to_dict() == pytest.approx({"model": 20.0, "persistence": 50.0})
    assert rows["n"].tolist() == [3, 3]
    assert rows["lost"].to_dict() == {"model": 1, "persistence": 0}
    assert rows["cases"].tolist() == [4, 4]
    assert rows.loc["model", "median"] == pytest.approx(20.0)
    assert rows.loc["model", "p90"] == pytest.approx(28.0)


def test_a_case_without_a_row_is_lost_and_one_without_a_truth_is_none():
    model = errors_of("model", [10.0, 20.0])
    baseline = errors_of("persistence", [1.0, 2.0, 3.0, 4.0])
    baseline.loc[3, "truth_lat"] = np.nan
    rows = summary(pd.concat([model, baseline])).set_index("method")
    assert rows.loc["model", ["cases", "n", "lost"]].tolist() == [3, 2, 1]


def test_a_method_that_lost_everything_is_still_listed():
    rows = summary(pd.concat([errors_of("model", [np.nan, np.nan]), errors_of("persistence", [1.0, 2.0])]))
    assert rows["lost"].tolist() == [2, 0]
    assert rows["n"].tolist() == [0, 0]
    assert rows["mean"].isna().all()
    with pytest.raises(InputError, match="two errors for storm A"):
        homogeneous(pd.concat([errors_of("model", [1.0])] * 2))


def test_a_method_with_no_forecast_at_a_lead_does_not_empty_that_lead():
    parts = [errors_of("model", [1.0, 2.0]), errors_of("persistence", [3.0, 4.0])]
    rows = summary(pd.concat([*parts, errors_of("persistence", [5.0, 6.0], lead=12)]))
    later = rows[rows["lead_time"] == 12 * HOUR]
    assert later["method"].tolist() == ["persistence"]
    assert later["n"].tolist() == [2]


def test_comparison_pairs_the_cases_and_counts_storms():
    storms = ["A", "A", "B", "B", "C", "C"]
    model = errors_of("model", [10, 20, 30, np.nan, 50, 60], storms=storms)
    baseline = errors_of("persistence", [20, 20, 60, 1, 100, 120], storms=storms)
    row = compare(pd.concat([model, baseline]), reference="persistence").iloc[0]
    assert (row["method"], row["n"], row["storms"]) == ("model", 5, 3)
    assert row["difference"] == pytest.approx(34.0 - 64.0)
    assert row["skill"] == pytest.approx(100 * 30 / 64)
    assert row["superior"] == 1.0  # the tie is left out
    with pytest.raises(InputError, match="no method cliper"):
        compare(model, reference="cliper")


def test_json_is_plain_rounded_and_says_null_for_no_number():
    rows = summary(errors_of("persistence", [10.04, 20.16], storms=["A", "B"]))
    assert json.loads(json.dumps(as_json(rows))) == {"persistence": {"n": 2, "mean": 15.1, "median": 15.1, "p90": 19.1}}
    lost = summary(errors_of("model", [np.nan]))
    assert as_json(lost) == {"model": {"n": 0, "mean": None, "median": None, "p90": None}}
    two = summary(pd.concat([errors_of("model", [1.0]), errors_of("model", [1.0], lead=12)]))
    with pytest.raises(InputError, match="2 leads"):
        as_json(two)


def test_the_table_shows_every_method_with_its_lost_forecasts():
    rows = summary(pd.concat([errors_of("model", [10.0, np.nan]), errors_of("persistence", [20.0, 30.0])]))
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table(rows, title="Track errors", caption="source: reconstruction"))
    lines = console.export_text().splitlines()
    model = next(line for line in lines if "model" in line)
    assert [cell.strip() for cell in model.strip("│ ").split("│")] == ["model", "1", "1", "10.0", "10.0", "10.0"]
    assert any("source: reconstruction" in line for line in lines)
    assert not any("lead" in line for line in lines)
