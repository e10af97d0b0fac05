"""Errors by storm, by component and in intensity, who is nearest how often, and how many forecasts are independent."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verify.tables import START, errors_of
from typhoon_tracker.verify.breakdown import by_storm, components, intensity, superior
from typhoon_tracker.verify.independence import effective_size, hours_to_independence
from typhoon_tracker.verify.statistics import summary

HOUR = pd.Timedelta(hours=1)


def two_storms() -> pd.DataFrame:
    storms = ["A", "A", "A", "B"]
    model = errors_of("model", [10, 30, np.nan, 50], storm=storms, along_km=[-10, 30, np.nan, 0])
    return pd.concat([model, errors_of("persistence", [20, 40, 999, 100], storm=storms)], ignore_index=True)


def test_a_storm_s_mean_is_over_the_cases_that_no_method_lost():
    rows = by_storm(two_storms()).set_index(["track_id", "method"])
    assert rows["mean"].to_dict() == pytest.approx(
        {("A", "model"): 20, ("A", "persistence"): 30, ("B", "model"): 50, ("B", "persistence"): 100}
    )
    assert rows.loc[("A", "model"), ["cases", "n", "lost"]].tolist() == [3, 2, 1]
    assert rows.loc[("A", "model"), "along"] == pytest.approx(10)


def test_the_storms_make_up_the_season():
    errors = two_storms()
    rows, whole = by_storm(errors), summary(errors, draws=10).set_index("method")
    for method, part in rows.groupby("method"):
        assert np.average(part["mean"], weights=part["n"]) == pytest.approx(whole.loc[method, "mean"])
        assert part["n"].sum() == whole.loc[method, "n"]


def test_biases_keep_their_sign_and_sizes_do_not():
    row = components(two_storms(), draws=200).set_index("method").loc["model"]
    assert (row["n"], row["along_bias"], row["along_abs"]) == pytest.approx((3, 20 / 3, 40 / 3))
    assert row["along_low"] <= row["along_bias"] <= row["along_high"]
    assert (row["cross_bias"], row["cross_abs"]) == (0, 0)


def test_intensity_errors_are_forecast_minus_truth_where_there_is_one():
    model = errors_of("model", [1, 1, 1], msl_error=[-200.0, 400.0, np.nan], wind_error=[3.0, -1.0, 1.0])
    rows = intensity(pd.concat([model, errors_of("cliper", [1, 1, 1])]), draws=50).set_index("method")
    assert rows.loc["model", ["msl_n", "msl_bias", "msl_mae"]].tolist() == pytest.approx([2, 100, 300])
    assert rows.loc["model", ["wind_n", "wind_bias", "wind_mae"]].tolist() == pytest.approx([3, 1, 5 / 3])
    assert rows.loc["cliper", "wind_n"] == 0
    assert np.isnan(rows.loc["cliper", "wind_mae"])


def test_superior_performance_goes_to_the_nearest_alone():
    parts = {"a": [1, 5, 7, 2, 1], "b": [2, 5, 8, 1, np.nan], "c": [3, 9, 7, 9, 0]}
    rows = superior(pd.concat([errors_of(name, km) for name, km in parts.items()])).set_index("method")
    assert rows["n"].unique() == [4]  # what b lost is nobody's case
    assert rows["best"].to_dict() == {"a": 1, "b": 1, "c": 0}  # the second and third are ties
    assert rows["ties"].to_dict() == {"a": 2, "b": 1, "c": 1}
    assert rows["fsp"].to_dict() == {"a": 25, "b": 25, "c": 0}


def test_superior_of_no_common_case_has_no_percentage():
    rows = superior(pd.concat([errors_of("a", [np.nan]), errors_of("b", [1.0])]))
    assert rows["fsp"].isna().all()


def series(correlation: float, n: int = 4000, storms: int = 40) -> tuple[np.ndarray, list[str], pd.DatetimeIndex]:
    """An autoregressive series in each storm, as forecasts six hours apart err."""
    rng = np.random.default_rng(7)
    each = n // storms
    noise = rng.normal(size=(storms, each)) * np.sqrt(1 - correlation**2)
    noise[:, 0] /= np.sqrt(1 - correlation**2)
    for i in range(1, each):
        noise[:, i] += correlation * noise[:, i - 1]
    times = pd.DatetimeIndex(np.tile(pd.date_range(START, periods=each, freq="6h"), storms))
    return noise.ravel(), [f"S{k}" for k in range(storms) for _ in range(each)], times


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8])
def test_the_effective_size_is_that_of_the_correlation(correlation):
    values, storms, times = series(correlation)
    expected = len(values) * (1 - correlation) / (1 + correlation)
    assert effective_size(values, storms, times) == pytest.approx(expected, rel=0.12, abs=0.02 * len(values))


def test_errors_alike_are_independent_only_after_a_while():
    loose, tight = (hours_to_independence(*series(r)) for r in (0.0, 0.8))
    assert loose == pytest.approx(6.0, rel=0.05)
    # A run of a Gaussian series lasts pi / arccos(r) steps, by chance 2 (Rice 1945).
    assert tight == pytest.approx(6.0 * np.pi / np.arccos(0.8) / 2, rel=0.05)


def test_what_lies_between_storms_is_no_correlation():
    storms = np.repeat([f"S{k}" for k in range(50)], 2)
    values = np.repeat(np.random.default_rng(1).normal(size=50), 2)
    times = pd.DatetimeIndex(np.tile([START, START + 6 * HOUR], 50))
    assert effective_size(values, storms, times) == pytest.approx(0.0, abs=1e-9)  # pairs within storms are equal
    assert np.isnan(effective_size([1.0, 2.0], ["A", "B"], [START, START]))


@given(shift=st.floats(-1e3, 1e3), scale=st.floats(0.1, 100))
@settings(max_examples=20, deadline=None)
def test_independence_does_not_depend_on_the_unit(shift, scale):
    values, storms, times = series(0.5, n=400, storms=8)
    moved = shift + scale * values
    assert effective_size(moved, storms, times) == pytest.approx(effective_size(values, storms, times), rel=1e-6)
    assert hours_to_independence(moved, storms, times) == pytest.approx(hours_to_independence(values, storms, times))
