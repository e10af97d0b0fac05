"""What a training step reads, as a function of the seed and the step's number alone, so that a resumed run reads on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import lightning
import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, Subset

from typhoon_tracker.besttrack import shipped
from typhoon_tracker.besttrack.split import LAST_TRAINING_SEASON, VALIDATION_SEASON
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.land import DOMAIN
from typhoon_tracker.training.archive import BlockShuffle, FieldWindows, field_statistics
from typhoon_tracker.training.centre_loss import Labelled
from typhoon_tracker.training.data import StormWindows, statistics
from typhoon_tracker.training.expected import Expected
from typhoon_tracker.training.settings import RECONSTRUCTION, Settings

STATISTICS_BATCHES, STATISTICS_WINDOWS = 40, 512
VALIDATION_BATCH, VALIDATION_SEED = 8, 2022  # the same windows whatever the batch size
FIRST_SEASON = 1940  # of ERA5


@dataclass(frozen=True)
class Place:
    """Which process reads: its number among all that train together."""

    rank: int = 0
    world: int = 1


class Source(Protocol):
    """Training and validation windows (B, T + T', N, H, W) in SI units."""

    windows: int  # of an epoch
    shape: tuple[int, int]  # (H, W)
    facts: dict[str, Any]  # for the model's config

    def statistics(self) -> dict[str, list]:
        """Return the Normalisation of the training split."""
        ...

    def training(self, start: int, stop: int, place: Place) -> DataLoader:
        """Return the batches of the steps from `start` to `stop`."""
        ...

    def validation(self) -> DataLoader:
        """Return the validation batches, always the same."""
        ...

    def epoch_end(self, start: int, place: Place) -> int | None:
        """Return the step with which the epoch of step `start` ends, where readers must not run past it."""
        ...


def open_source(settings: Settings, frames: tuple[int, int]) -> Source:
    """Return the windows that the settings name; InputError where they cannot be had."""
    return (Storms if settings.data == RECONSTRUCTION else Fields)(settings, frames)


class _Numbered(Dataset[Any]):
    """Whole batches by their number, with the places of the storms if they are `labelled`."""

    def __init__(self, windows: StormWindows, *, labelled: bool) -> None:
        self.windows, self.labelled = windows, labelled

    def __getitem__(self, number: int) -> Tensor | Labelled:
        return self.windows.labelled(number) if self.labelled else self.windows.batch(number)


class Storms:
    """Windows reconstructed around the storms of the shipped best tracks; an epoch is as many as there are cases."""

    def __init__(self, settings: Settings, frames: tuple[int, int]) -> None:
        best = shipped.load("wmo").table  # not a file that happens to be in the cache
        training, validation = best["season"] <= LAST_TRAINING_SEASON, best["season"] == VALIDATION_SEASON
        size, most = settings.crop, min(DOMAIN.shape)
        if size is not None and size > most:
            raise InputError(f"a crop of {size} points does not fit the reconstruction's domain; give {most} at most.")
        common: dict[str, Any] = {"size": size, "frames_in": frames[0], "frames_out": frames[1]}
        count = -(-settings.validation_windows // VALIDATION_BATCH)
        self._labelled = settings.centre_weight > 0.0
        if self._labelled:
            leads = range(1, frames[1] + 1)
            common["expected"] = Expected(best, leads, last_season=LAST_TRAINING_SEASON)
        self._training = StormWindows(
            best[training], batches=1, batch_size=settings.batch_size, seed=settings.seed, **common
        )
        self._validation = StormWindows(
            best[validation], batches=count, batch_size=VALIDATION_BATCH, seed=VALIDATION_SEED, **common
        )
        self.windows, self.shape, self._workers = len(self._training.cases), self._training.shape, settings.workers
        self.facts = {
            "data": "reconstruction of western North Pacific best tracks (JMA)",
            "seasons": [int(best.loc[training, "season"].min()), LAST_TRAINING_SEASON],
            "validation_season": VALIDATION_SEASON,
        }

    def statistics(self) -> dict[str, list]:
        return statistics(self._training, batches=STATISTICS_BATCHES)

    def training(self, start: int, stop: int, place: Place) -> DataLoader:
        numbers = [step * place.world + place.rank for step in range(start, stop)]
        return self._loader(self._training, numbers)

    def validation(self) -> DataLoader:
        return self._loader(self._validation, range(self._validation.batches))

    def _loader(self, windows: StormWindows, numbers: Sequence[int]) -> DataLoader:
        batches = _Numbered(windows, labelled=self._labelled)
        return DataLoader(batches, batch_size=None, sampler=numbers, num_workers=self._workers)

    def epoch_end(self, start: int, place: Place) -> int | None:
        return None  # each batch draws from all cases: there is no order to end


class Fields:
    """Windows of fields on disk, every one once an epoch; the validation windows are spread over their season."""

    def __init__(self, settings: Settings, frames: tuple[int, int]) -> None:
        common: dict[str, Any] = {
            "frames_in": frames[0],
            "frames_out": frames[1],
            "size": settings.crop,
            "seed": settings.seed,
        }
        self._training = FieldWindows(settings.data, seasons=(FIRST_SEASON, LAST_TRAINING_SEASON), **common)
        self._validation = FieldWindows(settings.data, seasons=(VALIDATION_SEASON, VALIDATION_SEASON), **common)
        self._settings, self.windows = settings, len(self._training)
        height, width = self._training[0].shape[-2:]
        self.shape = height, width
        years = self._training.times.year
        self.facts = {
            "data": f"fields of {settings.data}",
            "seasons": [int(years.min()), int(years.max())],
            "validation_season": VALIDATION_SEASON,
        }

    def statistics(self) -> dict[str, list]:
        return field_statistics(self._training, samples=STATISTICS_WINDOWS, seed=self._settings.seed)

    def training(self, start: int, stop: int, place: Place) -> DataLoader:
        epoch, done = divmod(start, self._epoch_steps(place))
        each, workers = self._settings.batch_size, self._settings.workers
        seen = done * each * place.world
        order = BlockShuffle(self._training, seed=self._settings.seed, epoch=epoch, start=seen)
        batches = _Batches(order, each, stop - start, place)
        return DataLoader(self._training, batch_sampler=batches, num_workers=workers)

    def validation(self) -> DataLoader:
        count = min(self._settings.validation_windows, len(self._validation))
        spread = np.linspace(0, len(self._validation) - 1, count).round().astype(int).tolist()
        chosen = Subset(self._validation, spread)
        return DataLoader(chosen, batch_size=VALIDATION_BATCH, num_workers=self._settings.workers)

    def epoch_end(self, start: int, place: Place) -> int | None:
        steps = self._epoch_steps(place)
        return (start // steps + 1) * steps

    def _epoch_steps(self, place: Place) -> int:
        return max(1, self.windows // (self._settings.batch_size * place.world))


class _Batches(Sampler[list[int]]):
    """Batches of an order of windows, of which each process takes its own."""

    def __init__(self, order: BlockShuffle, size: int, count: int, place: Place) -> None:
        self.order, self.size, self.count, self.place = order, size, count, place

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[list[int]]:
        together = self.size * self.place.world
        order = iter(self.order)
        for _ in range(self.count):
            step = list(islice(order, together))
            yield step[self.place.rank * self.size :][: self.size]


class Rounds(lightning.LightningDataModule):
    """The training in rounds of `every` steps, each followed by a validation: Lightning's epochs.

    A round starts at the trainer's step, so a run resumed from the checkpoint after a round reads what would have come
    next.
    """

    def __init__(self, source: Source, *, every: int, steps: int) -> None:
        super().__init__()
        self.source, self.every, self.steps = source, every, steps

    def train_dataloader(self) -> DataLoader:
        assert self.trainer is not None
        place = Place(self.trainer.global_rank, self.trainer.world_size)
        start = self.trainer.global_step
        ends = [start + self.every, self.steps, self.source.epoch_end(start, place)]
        return self.source.training(start, min(end for end in ends if end is not None), place)

    def val_dataloader(self) -> DataLoader:
        return self.source.validation()
