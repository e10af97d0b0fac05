"""Field scores in one pass are those of all cases in memory, whatever the order, the parts and the size of the mean."""

from __future__ import annotations

from io import StringIO
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typhoon_tracker.errors import InputError
from typhoon_tracker.verify.field_report import field_table, scores_as_json
from typhoon_tracker.verify.field_scores import SCORES, FieldScores, latitude_weights

NAMES = ("msl", "u10")
SIX, NINE = pd.Timedelta(hours=6), pd.Timedelta(hours=9)
LATITUDE = np.array([60.0, 40.0, 20.0, 0.0, -20.0])


def cases(seed: int, count: int = 30, *, spread: float = 300.0) -> tuple[np.ndarray, np.ndarray]:
    """Forecasts and truths (n, 2, 5, 4), float64, of a pressure near 1e5 Pa and a wind; the errors are a third."""
    random = np.random.default_rng(seed)
    shape, size = (count, len(NAMES), 5, 4), np.array([spread, 5.0])[:, None, None]
    local = random.standard_normal(shape[1:])
    truth = np.array([1e5, 1.0])[:, None, None] + size * (random.standard_normal(shape) + local)
    return truth + size * (0.3 * random.standard_normal(shape) + 0.1), truth


def naive(forecast: np.ndarray, truth: np.ndarray, w: np.ndarray, c: np.ndarray) -> dict[str, float]:
    """The textbook formulas over one variable's cases (n, H, W), weights (H, W) and climatology (H, W)."""
    w = np.broadcast_to(w, truth.shape) / np.broadcast_to(w, truth.shape).sum()
    error = forecast - truth
    mse, mean_f, mean_o = (w * error**2).sum(), (w * forecast).sum(), (w * truth).sum()
    f, o, af, ao = forecast - mean_f, truth - mean_o, forecast - c, truth - c
    return {
        "mse": mse,
        "mae": (w * np.abs(error)).sum(),
        "rmse": np.sqrt(mse),
        "bias": (w * error).sum(),
        "r2": 1 - mse / (w * o**2).sum(),
        "acc": (w * af * ao).sum() / np.sqrt((w * af**2).sum() * (w * ao**2).sum()),
        "pcc": (w * f * o).sum() / np.sqrt((w * f**2).sum() * (w * o**2).sum()),
    }


def streamed(forecast: np.ndarray, truth: np.ndarray, lead: pd.Timedelta = SIX) -> FieldScores:
    scores = FieldScores(NAMES)
    for f, o in zip(forecast, truth, strict=True):
        scores.add(lead, f, o)
    return scores


def numbers(table: pd.DataFrame) -> np.ndarray:
    return table[list(SCORES)].to_numpy(float)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("climate", ["of the truth", "given"])
def test_one_pass_gives_what_all_cases_in_memory_give(weighted: bool, climate: str) -> None:
    forecast, truth = cases(1)
    weights = latitude_weights(LATITUDE) if weighted else None
    given_climate = {name: truth[:7, k].mean(0) for k, name in enumerate(NAMES)} if climate == "given" else None
    table = streamed(forecast, truth).table(weights=weights, climatology=given_climate)
    assert list(table["n"]) == [30, 30]
    for k, name in enumerate(NAMES):
        c = truth[:, k].mean(0) if given_climate is None else given_climate[name]
        expected = naive(forecast[:, k], truth[:, k], np.ones((5, 1)) if weights is None else weights, c)
        for score in SCORES:
            assert table[score][k] == pytest.approx(expected[score], rel=1e-9), (name, score)


def test_a_small_variance_about_a_large_mean_is_right() -> None:
    """0.5 Pa about 1e5 Pa: sums of squares would lose all of it in float32 and six digits in float64."""
    forecast, truth = cases(2, 2000, spread=0.5)
    row = streamed(forecast, truth).table().iloc[0]
    expected = naive(forecast[:, 0] - 1e5, truth[:, 0] - 1e5, np.ones((5, 1)), truth[:, 0].mean(0) - 1e5)
    for score in SCORES:
        assert row[score] == pytest.approx(expected[score], rel=1e-6), score


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 100), st.lists(st.integers(1, 29), max_size=4), st.randoms())
def test_parts_in_any_order_give_the_same(seed: int, cuts: list[int], shuffle: object) -> None:
    forecast, truth = cases(seed)
    whole = numbers(streamed(forecast, truth).table())
    edges = [0, *sorted(set(cuts)), 30]
    parts = [slice(a, b) for a, b in pairwise(edges)]
    shuffle.shuffle(parts)  # type: ignore[attr-defined]
    total = FieldScores(NAMES)
    for part in parts:
        one = FieldScores(NAMES)
        one.add(SIX, forecast[part], truth[part])
        total.merge(one)
    np.testing.assert_allclose(numbers(total.table()), whole, rtol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.floats(-1e4, 1e4), st.floats(0.1, 10.0))
def test_units_change_the_errors_and_leave_the_ratios(offset: float, scale: float) -> None:
    forecast, truth = cases(3)
    before = streamed(forecast, truth).table()
    after = streamed(offset + scale * forecast, offset + scale * truth).table()
    for score, power in {"mse": 2, "mae": 1, "rmse": 1, "bias": 1, "r2": 0, "acc": 0, "pcc": 0}.items():
        np.testing.assert_allclose(after[score], before[score] * scale**power, rtol=1e-6)


def test_a_perfect_forecast_and_the_climatology_as_a_forecast() -> None:
    _, truth = cases(4)
    perfect = streamed(truth, truth).table()
    assert (perfect[["mse", "mae", "rmse", "bias"]] == 0).all(axis=None)
    np.testing.assert_allclose(perfect[["r2", "acc", "pcc"]], 1.0)
    mean = np.broadcast_to(truth.mean((0, 2, 3), keepdims=True), truth.shape)
    flat = streamed(mean, truth).table()
    np.testing.assert_allclose(flat["r2"], 0.0, atol=1e-9)
    assert flat["pcc"].isna().all()  # a constant correlates with nothing
    local = streamed(np.broadcast_to(truth.mean(0), truth.shape), truth).table()
    assert local["acc"].isna().all()
    assert (local["r2"] > 0.1).all()


def test_rmse_is_the_root_of_the_mean_not_the_mean_of_roots() -> None:
    truth = np.zeros((2, 2, 5, 4))
    forecast = truth + np.array([1.0, 7.0])[:, None, None, None]
    assert list(streamed(forecast, truth).table()["rmse"]) == [5.0, 5.0]


def test_float32_cases_are_scored_in_float64() -> None:
    forecast, truth = (values.astype(np.float32) for values in cases(5, 400))
    table = streamed(forecast, truth).table()
    expected = naive(*(v[:, 0].astype(float) for v in (forecast, truth)), np.ones((5, 1)), truth[:, 0].mean(0, float))
    for score in SCORES:
        assert table[score][0] == pytest.approx(expected[score], rel=1e-6), score


def test_weights_count_area() -> None:
    truth = np.zeros((1, 2, 5, 4))
    forecast = truth.copy()
    forecast[:, :, 0] = 1.0  # at 60N, where a cell has half the area of one at the equator
    cosines = np.cos(np.radians(LATITUDE))
    table = streamed(forecast, truth).table(weights=latitude_weights(LATITUDE))
    assert table["mse"][0] == pytest.approx(0.5 / cosines.sum())
    assert streamed(forecast, truth).table()["mse"][0] == pytest.approx(0.2)


def test_leads_are_scored_apart_and_together() -> None:
    forecast, truth = cases(6)
    scores = streamed(forecast[:20], truth[:20])
    scores.merge(streamed(forecast[20:], truth[20:], NINE))
    table = scores.table()
    assert list(table["n"]) == [20, 20, 10, 10, 30, 30]
    np.testing.assert_allclose(numbers(table[:2]), numbers(streamed(forecast[:20], truth[:20]).table()), rtol=1e-12)
    together = table[table["lead_time"].isna()]
    np.testing.assert_allclose(numbers(together), numbers(streamed(forecast, truth).table()), rtol=1e-9)


def test_what_does_not_fit_is_refused() -> None:
    forecast, truth = cases(7, 2)
    scores = streamed(forecast, truth)
    with pytest.raises(InputError, match=r"shape \(1, 2, 5, 4\) cannot be scored against a truth of \(1, 2, 5, 3\)"):
        scores.add(SIX, forecast[0], truth[0, :, :, :3])
    with pytest.raises(InputError, match=r"both must be \(cases, 2, 5, 4\)"):
        scores.add(NINE, forecast[0, :, :, :3], truth[0, :, :, :3])
    truth[0, 1, 2, 2] = np.nan
    with pytest.raises(InputError, match="the truth of u10 has NaN"):
        scores.add(SIX, forecast[0], truth[0])
    with pytest.raises(InputError, match="scores of t2m, v10 do not merge with msl, u10"):
        scores.merge(FieldScores(("t2m", "v10")))


def test_the_table_has_variables_across_and_units() -> None:
    from rich.console import Console

    forecast, truth = cases(8)
    table = pd.concat([streamed(f, truth).table().assign(method=m) for m, f in {"one": forecast, "two": truth}.items()])
    console = Console(width=80, file=StringIO())
    console.print(field_table(table, title="6 h"))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    heading = next(line for line in text.splitlines() if "MSL" in line)
    assert "U10" in heading
    assert "Pa" in text
    row = next(line for line in text.splitlines() if "MSE" in line)
    assert f"{table['mse'].iloc[0]:.1f}" in row
    plain = scores_as_json(table)
    assert plain["6h"]["two"]["u10"]["mse"] == 0.0
    assert plain["6h"]["one"]["msl"]["n"] == 30
