"""Linear centred kernel alignment (CKA) of features, exact over any number of examples in one pass.

For features X (n, p) and Y (n, q) of the same n examples, their columns centred (Kornblith et al., ICML 2019, eq. 5),

    CKA(X, Y) = ||Y^T X||_F^2 / (||X^T X||_F ||Y^T Y||_F),

in [0, 1], 1 where the features are equal up to rotation, reflection and one scale. Kept are the means and the p x q
sums of products about them, updated and merged as by Chan, Golub and LeVeque (1983): memory knows no n.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

Pair = tuple[str, str]


@dataclass
class LinearCka:
    """CKA of `pairs` of named features, to which examples are added in parts of any size."""

    pairs: Iterable[Pair]
    n: int = 0
    _mean: dict[str, Tensor] = field(default_factory=dict)  # (p,), float64
    _product: dict[Pair, Tensor] = field(default_factory=dict)  # (p, q): sum of (x - mean x)(y - mean y)^T

    def __post_init__(self) -> None:
        self.pairs = list(dict.fromkeys(self.pairs))
        alone = [(name, name) for pair in self.pairs for name in pair]
        self._needed = list(dict.fromkeys([*alone, *self.pairs]))

    def add(self, features: Mapping[str, Tensor]) -> None:
        """Add examples: of each name in `pairs` its features (n, p), row i of all of the same example.

        Raises ValueError where the numbers of examples differ.
        """
        counts = {name: len(features[name]) for name, _ in self._needed}
        if len(set(counts.values())) > 1:
            raise ValueError(f"features of different numbers of examples cannot be compared: {counts}.")
        n = next(iter(counts.values()))
        total, shift, centred = self.n + n, {}, {}
        for name in counts:
            x = features[name].detach().double()
            mean = x.mean(0)
            centred[name] = x - mean
            shift[name] = mean - self._mean.get(name, mean)
            self._mean[name] = self._mean.get(name, mean) + shift[name] * (n / total)
        for pair in self._needed:
            a, b = pair
            product = centred[a].T @ centred[b]
            if self.n:
                product += self._product[pair]
                product.addr_(shift[a], shift[b], alpha=self.n * n / total)
            self._product[pair] = product
        self.n = total

    def value(self, a: str, b: str) -> float:
        """Return CKA of two features of a pair; NaN where one of them does not vary."""
        product = self._product[(a, b) if (a, b) in self._product else (b, a)]
        norms = math.prod(float(torch.linalg.norm(self._product[name, name])) for name in (a, b))
        return float(product.square().sum()) / norms if norms > 0 else math.nan
