"""Training windows reconstructed on the fly from best tracks: they need no file and no network.

A window is a crop around a storm: `frames_in` hourly frames up to an analysis time and `frames_out` after it. The crop
is shifted at random, so that the storm may stand anywhere in the grid at the init time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from typhoon_tracker.geo.grid import PAPER_REGION
from typhoon_tracker.geo.land import DOMAIN
from typhoon_tracker.geo.sphere import KM_PER_DEGREE
from typhoon_tracker.sources.reconstruction import (
    SYNOPTIC_HOURS,
    HourlyTracks,
    land_fraction,
    reconstruct,
    storm_tensors,
)
from typhoon_tracker.sources.vortex import Storms
from typhoon_tracker.sources.weather import Waves, draw_waves
from typhoon_tracker.training.centre_loss import Labelled
from typhoon_tracker.training.expected import Expected
from typhoon_tracker.verify.past import TROPICAL_STORM

STEP = PAPER_REGION.step
SETTLED_HOURS = 6  # a storm younger than this has hardly a past to learn from
AROUND_REGION = 4.0  # degrees outside the region from which storms are still taken
EDGE = 1.5  # degrees that the storm keeps from the crop's edge at the init time
MAX_STORMS = 3
INSIDE_KM = 200.0  # from the crop's edge; nearer to it a storm is no label
FORMED = 0.8  # presence from which a storm is one


@dataclass(frozen=True)
class Case:
    """One window: a storm and its init hour (hours since 1970)."""

    storm: int
    hour: int


class Drawn(NamedTuple):
    """What a batch is reconstructed from: the arguments of `reconstruct`; of each sample its own storm is the first."""

    storms: Storms
    hours: Tensor
    latitude: Tensor
    longitude: Tensor
    land: Tensor
    waves: Waves
    epoch: Tensor


def find_cases(
    tracks: HourlyTracks, *, lead_hours: int, margin: float = -AROUND_REGION, settled_hours: int = SETTLED_HOURS
) -> list[Case]:
    """Return every storm and analysis time whose storm lives through the window and is in the region at the init time,
    `margin` degrees from its edge; a negative one lets it be outside."""
    found = []
    for storm in range(len(tracks.sids)):
        rows = slice(tracks.start[storm], tracks.stop[storm])
        hour, state = tracks.hour[rows], tracks.state[rows]
        fits = np.isin(hour % 24, SYNOPTIC_HOURS) & (hour - hour[0] >= settled_hours) & (hour + lead_hours <= hour[-1])
        fits &= PAPER_REGION.contains(state[:, 0], state[:, 1], margin=margin)
        found += [Case(storm, int(h)) for h in hour[fits]]
    return found


class StormWindows(IterableDataset[Tensor]):
    """Batches (B, frames_in + frames_out, 4, size, size) in SI units, `batches` of them, reproducible from `seed`.

    Without a `size` every window is the region of the forecasts, and its storm is in it at the init time. Batch k
    depends on `seed` and k alone, so a resumed run goes on where it stopped (`start`). Frames are `step_hours` apart,
    points `spacing` quarter degrees; at the init time a storm is `settled_hours` old or more and keeps `edge` degrees
    from the edge of its window. With places `expected` of the storms, only windows of tropical storms and stronger
    are drawn, and their labels aim there.
    """

    def __init__(
        self,
        best: pd.DataFrame,
        *,
        batches: int,
        batch_size: int,
        size: int | None = 64,
        frames_in: int = 12,
        frames_out: int = 12,
        seed: int = 0,
        start: int = 0,
        step_hours: int = 1,
        spacing: int = 1,
        edge: float = EDGE,
        settled_hours: int = SETTLED_HOURS,
        expected: Expected | None = None,
    ) -> None:
        self.tracks = HourlyTracks.build(best)
        self.cases = find_cases(
            self.tracks,
            lead_hours=frames_out * step_hours,
            margin=edge if size is None else -AROUND_REGION,
            settled_hours=settled_hours,
        )
        if expected is not None:
            self.cases = [case for case in self.cases if self._counts(case)]
        self.batches, self.batch_size, self.whole_region = batches, batch_size, size is None
        self.shape = PAPER_REGION.shape if size is None else (size, size)
        self.span = step_hours * np.arange(1 - frames_in, frames_out + 1)
        self.spacing, self.edge = spacing, edge
        self.seed, self.start, self.expected = seed, start, expected
        self._land = land_fraction(DOMAIN.latitude, DOMAIN.longitude)

    def __len__(self) -> int:
        """All batches, those before `start` too: Lightning counts on from the batches that a checkpoint has seen."""
        return self.batches

    def __iter__(self) -> Iterator[Tensor]:
        for k in range(self.start, self.batches):
            yield self.batch(k)

    def batch(self, k: int) -> Tensor:
        """Return batch number k."""
        return self.labelled(k).fields

    def labelled(self, k: int) -> Labelled:
        """Return batch number k with the places of its storms, the aim being where they are `expected`, if given."""
        cases, random = self._cases(k)
        members = [self._members(case) for case in cases]
        drawn = self._drawn(cases, members, random)
        grid = drawn.latitude, drawn.longitude
        centres, spacing = _places(drawn.storms, *grid)
        aims = centres[:, :, self.span > 0]
        if self.expected is not None:
            places = self._expected_places(cases, members, self.expected, aims.shape)
            there = _on_grid(places[..., 0], places[..., 1], *grid, spacing[:, :, self.span > 0])
            aims = torch.where(aims.isnan(), torch.nan, there)
        return Labelled(reconstruct(*drawn), centres, spacing, aims)

    def draw(self, k: int) -> Drawn:
        """Return what batch number k is reconstructed from."""
        cases, random = self._cases(k)
        return self._drawn(cases, [self._members(case) for case in cases], random)

    def _drawn(self, cases: list[Case], members: list[np.ndarray], random: np.random.Generator) -> Drawn:
        hours = np.array([c.hour + self.span for c in cases], dtype=float)
        centres = np.array([self.tracks.at(c.storm, np.array([c.hour]))[0, :2] for c in cases])
        rows, columns = self._corners(centres, random)
        at_rows, at_columns = (
            c[:, None] + self.spacing * np.arange(n) for c, n in zip((rows, columns), self.shape, strict=True)
        )
        latitude = torch.as_tensor(DOMAIN.north - STEP * at_rows, dtype=torch.float32)
        longitude = torch.as_tensor(DOMAIN.west + STEP * at_columns, dtype=torch.float32)
        land = self._land[at_rows[:, :, None], at_columns[:, None, :]]
        storms = storm_tensors(self.tracks, members, hours)
        waves = draw_waves(self.batch_size, torch.Generator().manual_seed(int(random.integers(2**62))))
        when = torch.as_tensor(hours)
        return Drawn(storms, when, latitude, longitude, land, waves, when[:, 0])

    def _cases(self, k: int) -> tuple[list[Case], np.random.Generator]:
        """Return the cases of batch number k, and the dice to go on with."""
        random = np.random.default_rng((self.seed, k))
        return [self.cases[i] for i in random.integers(len(self.cases), size=self.batch_size)], random

    def _counts(self, case: Case) -> bool:
        """Whether the storm of a case is one that verification would count."""
        return self.tracks.at(case.storm, np.array([case.hour]))[0, 4] >= TROPICAL_STORM

    def _expected_places(
        self, cases: list[Case], members: list[np.ndarray], expected: Expected, shape: torch.Size
    ) -> Tensor:
        """Return latitudes and longitudes (B, M, L, 2), NaN where nothing is expected of a storm."""
        places = torch.full(shape, torch.nan)
        for b, (case, storms) in enumerate(zip(cases, members, strict=True)):
            for m, storm in enumerate(storms):
                places[b, m] = torch.as_tensor(expected.at(self.tracks.sids[storm], case.hour))
        return places

    def _corners(self, centres: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the row and column in `DOMAIN` of the first point of each window."""
        size = self.spacing * np.array(self.shape)
        if self.whole_region:
            first = np.tile([PAPER_REGION.north, PAPER_REGION.west], (len(centres), 1))
        else:
            reach = (size - self.spacing) * STEP / 2 - self.edge
            middle = centres + random.uniform(-reach, reach, centres.shape)
            first = middle + np.array([1, -1]) * size * STEP / 2
        corner = np.round(np.array([1, -1]) * ([DOMAIN.north, DOMAIN.west] - first) / STEP).astype(int)
        rows, columns = np.clip(corner, 0, np.array(self._land.shape) - size).T
        return rows, columns

    def _members(self, case: Case) -> np.ndarray:
        """The storm itself first, then the nearest others alive in the window."""
        others = self.tracks.around(case.hour + int(self.span[0]), case.hour + int(self.span[-1]))
        others = others[others != case.storm]
        here = self.tracks.at(case.storm, np.array([case.hour]))[0]
        away = [np.hypot(*(self.tracks.at(int(i), np.array([case.hour]))[0, :2] - here[:2])) for i in others]
        return np.concatenate([[case.storm], others[np.argsort(away)][: MAX_STORMS - 1]]).astype(int)


def _places(storms: Storms, latitude: Tensor, longitude: Tensor) -> tuple[Tensor, Tensor]:
    """Return centres and spacing (B, M, T, 2) as in `Labelled`."""
    column = KM_PER_DEGREE * torch.cos(torch.deg2rad(storms.lat))
    step = (latitude[:, 0] - latitude[:, 1])[:, None, None, None]  # degrees
    spacing = step * torch.stack([torch.full_like(column, KM_PER_DEGREE), column], dim=-1)
    centres = _on_grid(storms.lat, storms.lon, latitude, longitude, spacing)
    size = torch.tensor([latitude.shape[1] - 1, longitude.shape[1] - 1]) * spacing
    inside = ((centres >= INSIDE_KM) & (centres <= size - INSIDE_KM)).all(-1)
    seen = inside & (storms.wind >= TROPICAL_STORM) & (storms.presence > FORMED)
    return torch.where(seen[..., None], centres, torch.nan), spacing


def _on_grid(lat: Tensor, lon: Tensor, latitude: Tensor, longitude: Tensor, spacing: Tensor) -> Tensor:
    """Return places (B, M, L) in degrees as (B, M, L, 2) km south and east of the first point of grids (B, H), (B, W),
    whose points are `spacing` (B, M, L, 2) apart."""
    step = (latitude[:, 0] - latitude[:, 1])[:, None, None]
    rows, columns = (latitude[:, :1, None] - lat) / step, (lon - longitude[:, :1, None]) / step
    return torch.stack([rows, columns], dim=-1) * spacing


def statistics(windows: StormWindows, *, batches: int) -> dict[str, list]:
    """Return mean and standard deviation per variable, and the standard deviation of the change since the last input
    frame per lead and variable, from the first `batches` training batches."""
    total = square = change = torch.zeros((), dtype=torch.float64)
    past = int((windows.span <= 0).sum())
    for k in range(batches):
        x = windows.batch(k).double()
        total = total + x.mean((0, 1, 3, 4)) / batches
        square = square + (x**2).mean((0, 1, 3, 4)) / batches
        change = change + ((x[:, past:] - x[:, past - 1 : past]) ** 2).mean((0, 3, 4)) / batches
    std = (square - total**2).sqrt()
    return {"mean": total.tolist(), "std": std.tolist(), "tendency_std": change.sqrt().tolist()}
