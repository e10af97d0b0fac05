"""Where forecasts are wrong: the mean absolute error at each point of the region, or around the storm."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass
class MeanMap:
    """The mean of maps over cases, point by point, each over the cases that have a value there."""

    cases: int = 0
    count: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # (H, W)
    total: Floats = field(default_factory=lambda: np.zeros(0))  # (N, H, W)

    def add(self, values: Floats) -> None:
        """Add a case (N, H, W); NaN where it has no value, for all N alike."""
        if not self.cases:
            self.count, self.total = np.zeros(values.shape[1:], np.int64), np.zeros(values.shape)
        self.cases += 1
        self.count += np.isfinite(values).all(axis=0)
        self.total += np.nan_to_num(values)

    @property
    def mean(self) -> Floats:
        """The mean map (N, H, W); NaN where no case has a value."""
        return self.total / np.where(self.count > 0, self.count, np.nan)


def around(values: Floats, row: int, column: int, points: int) -> Floats:
    """Return the square (N, 2 points + 1, 2 points + 1) of maps (N, H, W) about a grid point, NaN outside them."""
    padded = np.pad(values, ((0, 0), (points, points), (points, points)), constant_values=np.nan)
    side = 2 * points + 1
    return padded[:, row : row + side, column : column + side]
