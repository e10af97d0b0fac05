"""Fields as 16-bit integers, and their statistics as exact integer sums.

A value is `add_offset + scale_factor * q` with q from -32767 to 32767 over the range that the field contract allows, so
whatever is a valid field fits, and no packing depends on the data. The step is 0.40 Pa, 0.0034 m/s and 0.0024 K.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt
from typing import Any

import numpy as np

from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE, VARIABLES

HIGHEST, FILL = 32767, -32768
MAX_LEAD = 12  # hours up to which the change of a field is counted


def scale_and_offset(name: str) -> tuple[float, float]:
    """Return the CF scale_factor and add_offset of a variable of the field contract."""
    known = VARIABLES[name]
    return (known.highest - known.lowest) / (2 * HIGHEST), (known.highest + known.lowest) / 2


def pack(name: str, values: np.ndarray) -> np.ndarray:
    """Return values as int16; raise InputError for any that does not fit, rather than clip it."""
    scale, offset = scale_and_offset(name)
    steps = np.rint((values.astype(np.float64) - offset) / scale)
    outside = ~(np.abs(steps) <= HIGHEST)
    if outside.any():
        known = VARIABLES[name]
        raise InputError(
            f"{name} has {int(outside.sum())} values that do not fit, such as {values[outside][0]:g}; packed in 16 "
            f"bits it holds {known.lowest:g} to {known.highest:g} {known.units}."
        )
    return steps.astype(np.int16)


def unpack(name: str, packed: np.ndarray) -> np.ndarray:
    """Return packed integers as float32 in SI units."""
    scale, offset = scale_and_offset(name)
    return (packed * scale + offset).astype(np.float32)


@dataclass
class Loss:
    """What packing has cost one variable so far: the largest error, and the sum of squares over how many values."""

    largest: float = 0.0
    squares: float = 0.0
    values: int = 0

    def add(self, before: np.ndarray, after: np.ndarray) -> None:
        error = after.astype(np.float64) - before
        self.largest = max(self.largest, float(np.abs(error).max()))
        self.squares += float((error**2).sum())
        self.values += error.size

    @property
    def rms(self) -> float:
        return sqrt(self.squares / self.values) if self.values else 0.0


@dataclass
class Moments:
    """Sums over packed frames, by variable and by lead and variable.

    Integers, and so the same bit for bit in whatever pieces the frames come.
    """

    values: int = 0
    first: list[int] = field(default_factory=lambda: [0] * len(CORE))
    second: list[int] = field(default_factory=lambda: [0] * len(CORE))
    changes: list[int] = field(default_factory=lambda: [0] * MAX_LEAD)
    change_squares: list[list[int]] = field(default_factory=lambda: [[0] * len(CORE) for _ in range(MAX_LEAD)])

    def add(self, frames: dict[str, np.ndarray], past: dict[str, np.ndarray]) -> None:
        """Count packed frames (time, latitude, longitude), which follow hourly on the up to 12 frames of `past`."""
        for k, name in enumerate(CORE):
            before = past[name][-MAX_LEAD:]
            run = np.concatenate([before, frames[name]]).reshape(len(before) + len(frames[name]), -1).astype(float)
            new = run[len(before) :]
            self.first[k] += int(new.sum())
            self.second[k] += _squares(new)
            for lead in range(1, MAX_LEAD + 1):
                begin = min(max(len(before), lead), len(run))
                self.change_squares[lead - 1][k] += _squares(run[begin:] - run[begin - lead : len(run) - lead])
                if k == 0:
                    self.changes[lead - 1] += (len(run) - begin) * run.shape[1]
        self.values += new.size

    def statistics(self) -> dict[str, Any]:
        """Return mean and std by variable, and by lead and variable the root mean square change, in SI units."""
        mean, std, change = [], [], [[0.0] * len(CORE) for _ in range(MAX_LEAD)]
        for k, name in enumerate(CORE):
            scale, offset = scale_and_offset(name)
            mean.append(offset + scale * self.first[k] / self.values)
            std.append(scale * sqrt(self.values * self.second[k] - self.first[k] ** 2) / self.values)
            for lead, squares in enumerate(self.change_squares):
                change[lead][k] = scale * sqrt(squares[k] / self.changes[lead])
        return {"mean": mean, "std": std, "tendency_std": change}


def _squares(frames: np.ndarray) -> int:
    """Sum of squares of whole numbers below 2^16 in float64: exact, as a frame of a million stays below 2^53."""
    return sum(int(np.vdot(frame, frame)) for frame in frames)
