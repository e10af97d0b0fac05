"""Linear CKA against its definition, and against what it must not see: rotations, scales, how the examples come."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from typhoon_tracker.explain.cka import LinearCka

RNG = np.random.default_rng(0)
Features = NDArray[np.float64]


def by_kernels(x: Features, y: Features) -> float:
    """The other form of the definition: HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) of the centred n x n kernels."""
    centre = np.eye(len(x)) - 1 / len(x)
    k, m = (centre @ z @ z.T @ centre for z in (x, y))
    return float(np.sum(k * m) / math.sqrt(np.sum(k * k) * np.sum(m * m)))


def streamed(x: Features, y: Features, parts: int = 1) -> float:
    cka = LinearCka([("x", "y")])
    for a, b in zip(np.array_split(x, parts), np.array_split(y, parts), strict=True):
        cka.add({"x": torch.from_numpy(a), "y": torch.from_numpy(b)})
    assert cka.n == len(x)
    return cka.value("x", "y")


def related(n: int = 60) -> tuple[Features, Features]:
    x = RNG.standard_normal((n, 7)) * np.arange(1, 8)
    return x + 5.0, np.tanh(x @ RNG.standard_normal((7, 4))) + 0.3 * RNG.standard_normal((n, 4)) - 2.0


def orthogonal(size: int) -> Features:
    return np.linalg.qr(RNG.standard_normal((size, size)))[0]


@pytest.mark.parametrize("parts", [1, 2, 7, 60])
def test_it_is_the_definition_however_the_examples_come(parts: int) -> None:
    x, y = related()
    assert streamed(x, y, parts) == pytest.approx(by_kernels(x, y), rel=1e-10)
    assert 0.05 < streamed(x, y, parts) < 0.95


def test_rotations_reflections_scales_and_shifts_change_nothing() -> None:
    x, y = related()
    turned = 1000.0 * x @ orthogonal(7) + RNG.standard_normal(7)
    assert streamed(turned, -0.01 * y @ orthogonal(4)) == pytest.approx(streamed(x, y), rel=1e-9)
    assert streamed(x, turned) == pytest.approx(1.0, abs=1e-12)
    assert streamed(x, y) == pytest.approx(streamed(y, x), rel=1e-12)


def test_any_other_linear_map_changes_it() -> None:
    """Unlike canonical correlation, which would call every invertible map the same."""
    x, _ = related()
    assert streamed(x, x * np.array([1.0, 100.0, 1, 1, 1, 1, 1])) < 0.9


def test_independent_features_are_as_unlike_as_chance_makes_them() -> None:
    """For white features ||Y^T X||^2 is n p q, and the norms n sqrt(p) and n sqrt(q): CKA is sqrt(p q) / n."""
    n, p, q = 4000, 6, 9
    found = streamed(RNG.standard_normal((n, p)), RNG.standard_normal((n, q)), 10)
    assert found == pytest.approx(math.sqrt(p * q) / n, rel=0.5)


def test_a_large_mean_costs_no_accuracy() -> None:
    """Pressures of 1e5 Pa with a variance of 1."""
    x, y = related()
    assert streamed(x + 1e5, y - 1e5, 6) == pytest.approx(by_kernels(x, y), rel=1e-7)


def test_memory_does_not_grow_with_the_examples() -> None:
    cka = LinearCka([("x", "y")])
    sizes = []
    for _ in range(3):
        cka.add({"x": torch.randn(500, 5), "y": torch.randn(500, 3)})
        sizes.append(sum(kept.numel() for kept in [*cka._mean.values(), *cka._product.values()]))
    assert sizes == [5 + 3 + 25 + 9 + 15] * 3


def test_what_cannot_be_compared() -> None:
    cka = LinearCka([("x", "y")])
    with pytest.raises(ValueError, match="different numbers of examples"):
        cka.add({"x": torch.zeros(3, 2), "y": torch.zeros(4, 2)})
    cka.add({"x": torch.ones(3, 2), "y": torch.randn(3, 2)})
    assert math.isnan(cka.value("x", "y"))  # the same everywhere: nothing to compare
