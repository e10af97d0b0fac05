"""Training batches of the six-hourly forecaster, from the reconstruction or from real storms.

A batch is the windows (B, 8, 3, SIZE, SIZE) in SI units and weights (B, 4, SIZE, SIZE) of the future frames' errors:
1 + NEAR exp(-r^2 / 2 NEAR_KM^2) at distance r of the storm's true centre, 0 where the truth is not known.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from typhoon_tracker.geo.sphere import KM_PER_DEGREE
from typhoon_tracker.real_storms.windows import (
    BLOCK,
    FINE,
    FUTURE,
    PAST,
    SIZE,
    STEP_HOURS,
    Series,
    cut,
    downstream_corner,
    init_indices,
)
from typhoon_tracker.sources.aloft import reconstruct_aloft
from typhoon_tracker.training.batches import Place
from typhoon_tracker.training.data import StormWindows

NEAR, NEAR_KM = 8.0, 300.0
VALIDATION_BATCH = 32
STATISTICS_BATCHES = 40
SHIFT = 2.5  # degrees, of the pretraining's windows about their storm, as of the real ones
Batch = tuple[Tensor, Tensor]


class _Numbered(Dataset[Batch]):
    def __init__(self, batch: Callable[[int], Batch]) -> None:
        self.batch = batch

    def __getitem__(self, number: int) -> Batch:
        return self.batch(number)


class StormSource(ABC):
    """What both sources share, in the form that `Rounds` reads: batch k depends on the seed and k alone."""

    windows: int
    shape = (SIZE, SIZE)
    facts: dict[str, Any]

    @abstractmethod
    def batch(self, k: int) -> Batch:
        """Return batch number k of the training."""

    @abstractmethod
    def validation_batches(self) -> list[Batch]:
        """Return the validation batches, always the same."""

    def training(self, start: int, stop: int, place: Place) -> DataLoader:
        numbers = [step * place.world + place.rank for step in range(start, stop)]
        return DataLoader(_Numbered(self.batch), batch_size=None, sampler=numbers)

    def validation(self) -> DataLoader:
        batches = self.validation_batches()
        return DataLoader(_Numbered(batches.__getitem__), batch_size=None, sampler=range(len(batches)))

    def epoch_end(self, start: int, place: Place) -> int | None:
        return None

    def statistics(self) -> dict[str, list]:
        """Return the Normalisation of the training windows, over what was seen of them."""
        count = total = square = torch.zeros((), dtype=torch.float64)
        changes = cases = torch.zeros((), dtype=torch.float64)
        for k in range(STATISTICS_BATCHES):
            window, weight = self.batch(k)
            x = window.double()
            past, future = x[:, :PAST], x[:, PAST:]
            count = count + past[:, :, 0].numel()
            total, square = total + past.sum((0, 1, 3, 4)), square + (past**2).sum((0, 1, 3, 4))
            seen = (weight > 0).double()[:, :, None]
            changes = changes + (seen * (future - past[:, -1:]) ** 2).sum((0, 3, 4))
            cases = cases + seen.sum((0, 3, 4))
        mean = total / count
        std = (square / count - mean**2).sqrt()
        return {"mean": mean.tolist(), "std": std.tolist(), "tendency_std": (changes / cases).sqrt().tolist()}


class MadeUp(StormSource):
    """Windows reconstructed around the storms of best tracks; the last season is kept for validation."""

    def __init__(self, best: pd.DataFrame, *, batch_size: int, seed: int, validation_windows: int) -> None:
        last = int(best["season"].max())
        common: dict[str, Any] = {
            "size": SIZE,
            "frames_in": PAST,
            "frames_out": FUTURE,
            "step_hours": STEP_HOURS,
            "spacing": BLOCK,
            "edge": (SIZE - 1) * BLOCK * FINE / 2 - SHIFT,
            "settled_hours": STEP_HOURS * (PAST - 1),
        }
        self._training = StormWindows(
            best[best["season"] < last], batches=1, batch_size=batch_size, seed=seed, **common
        )
        count = -(-validation_windows // VALIDATION_BATCH)
        validation = StormWindows(
            best[best["season"] == last], batches=count, batch_size=VALIDATION_BATCH, seed=last, **common
        )
        self._validation = validation
        self.windows = len(self._training.cases)
        seasons = [int(best["season"].min()), last - 1]
        self.facts = {"data": "reconstruction of JMA best tracks", "seasons": seasons, "validation_season": last}

    def batch(self, k: int) -> Batch:
        return _made_up(self._training, k)

    def validation_batches(self) -> list[Batch]:
        return [_made_up(self._validation, k) for k in range(self._validation.batches)]


class Real(StormSource):
    """Windows of real storms, shifted at random by up to 2.5 degrees; `kept` are the storms held back for validation.

    They are not mirrored: a mirrored typhoon turns the wrong way. Nor are they turned by quarters of a circle, winds
    with them, though a storm would stay a storm: with half of the windows turned, the first fold's validation storms
    were forecast worse, for the way from the trades into the westerlies is worth knowing.
    """

    def __init__(self, storms: Sequence[Series], kept: Sequence[Series], *, batch_size: int, seed: int) -> None:
        self._cases = [(series, init) for series in storms for init in init_indices(series)]
        self._kept = [(series, init) for series in kept for init in init_indices(series)]
        self._size, self._seed = batch_size, seed
        self.windows = len(self._cases)
        self.facts = {
            "data": "ERA5 patches of real storms",
            "storms": [series.name for series in storms],
            "validation_storms": [series.name for series in kept],
        }

    def batch(self, k: int) -> Batch:
        random = np.random.default_rng((self._seed, k))
        made = []
        for i in random.integers(len(self._cases), size=self._size):
            series, init = self._cases[i]
            corner = tuple(random.integers(0, series.slack + 1, size=2).tolist())
            made.append(_real(series, init, corner))
        windows, weights = zip(*made, strict=True)
        return torch.stack(windows), torch.stack(weights)

    def validation_batches(self) -> list[Batch]:
        made = [_real(series, init, downstream_corner(series, init)) for series, init in self._kept]
        batches = [made[i : i + VALIDATION_BATCH] for i in range(0, len(made), VALIDATION_BATCH)]
        return [(torch.stack([w for w, _ in part]), torch.stack([g for _, g in part])) for part in batches]


def nearness(lat: Tensor, lon: Tensor, latitude: Tensor, longitude: Tensor) -> Tensor:
    """Return 1 + NEAR exp(-r^2 / 2 NEAR_KM^2) (B, T, H, W) about centres (B, T) on grids (B, H), (B, W) in degrees."""
    north = (latitude[:, None, :] - lat[:, :, None]) * KM_PER_DEGREE  # (B, T, H)
    along = torch.cos(torch.deg2rad(lat))[:, :, None] * KM_PER_DEGREE
    east = (longitude[:, None, :] - lon[:, :, None]) * along  # (B, T, W)
    r2 = north[..., None] ** 2 + east[:, :, None] ** 2
    return 1.0 + NEAR * torch.exp(-r2 / (2 * NEAR_KM**2))


def _made_up(windows: StormWindows, k: int) -> Batch:
    drawn = windows.draw(k)
    own = drawn.storms.lat[:, 0, PAST:], drawn.storms.lon[:, 0, PAST:]
    return reconstruct_aloft(*drawn), nearness(*own, drawn.latitude, drawn.longitude)


def _real(series: Series, init: int, corner: tuple[int, ...]) -> Batch:
    window = cut(series, init, (corner[0], corner[1]))
    future = np.minimum(np.arange(init + 1, init + 1 + FUTURE), len(series) - 1)
    centre = (torch.tensor(series.best[name].to_numpy()[future], dtype=torch.float32)[None] for name in ("lat", "lon"))
    axes = (torch.tensor(axis, dtype=torch.float32)[None] for axis in (window.latitude, window.longitude))
    weight = nearness(*centre, *axes)[0] * torch.from_numpy(window.seen[PAST:])
    return torch.from_numpy(window.values), weight
