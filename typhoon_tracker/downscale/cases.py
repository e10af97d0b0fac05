"""Pairs of coarse and fine frames with their splits, held in memory, from which batches are taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from typhoon_tracker.downscale.constraints import block_mean, factor_of
from typhoon_tracker.downscale.model import Normalisation
from typhoon_tracker.errors import InputError
from typhoon_tracker.training.batches import Place

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)
VALIDATION_BATCH = 32  # whatever the batch size
NO_BLOCK_MEAN = 1e-4  # of the coarse field's standard deviation: more than rounding
NO_PAIR = 0.5  # likewise: more than any subsampling of storms leaves (0.34 at x8), less than a mirrored field (0.73)


class Batch(NamedTuple):
    """Coarse (B, T, C, h, w) and fine (B, T, C, H, W) fields in their own units, areas (B, 1, 1, H, 1) or None."""

    coarse: Tensor
    fine: Tensor
    weights: Tensor | None


@dataclass(frozen=True, eq=False)
class Cases:
    """Frames (N, C, H, W), (N, C, h, w), areas (N, 1, H, 1), and for each split the frames (n, T) of its cases."""

    variables: tuple[str, ...]
    fine: Tensor
    coarse: Tensor
    splits: Mapping[str, Tensor]
    facts: dict[str, Any] = field(default_factory=dict)
    weights: Tensor | None = None

    @property
    def factor(self) -> int:
        return factor_of(self.fine, self.coarse)

    def batch(self, rows: Tensor) -> Batch:
        """Return the cases that are the rows (B, T) of a split."""
        areas = None if self.weights is None else self.weights[rows[:, :1]]
        return Batch(self.coarse[rows], self.fine[rows], areas)

    def batches(self, split: str, size: int) -> list[Tensor]:
        """Return the rows of a split in batches."""
        return list(self.splits[split].split(size))

    def statistics(self) -> Normalisation:
        """Return the statistics of the fine fields of the training split, every frame of it once."""
        fine = self.fine[self.splits[TRAIN].unique()].double()
        axes = (0, 2, 3)
        std = fine.std(axes)
        if not (std > 0).all():
            name = self.variables[int((std > 0).int().argmin())]
            raise InputError(f"{name} is the same everywhere in the training split; there is nothing to learn.")
        values = fine.mean(axes), std, fine.amin(axes), fine.amax(axes)
        return Normalisation(*(value.tolist() for value in values))

    def mismatch(self) -> dict[str, float]:
        """Return by variable the mean |block mean of fine - coarse| over the standard deviation of coarse."""
        means = block_mean(self.fine, self.factor, weights=self.weights)
        axes = (0, 2, 3)
        apart = (means - self.coarse).abs().mean(axes) / self.coarse.std(axes)
        return dict(zip(self.variables, apart.tolist(), strict=True))


def make(
    fine: Tensor,
    splits: Mapping[str, Sequence[Sequence[int]]],
    *,
    variables: Sequence[str],
    factor: int,
    facts: dict[str, Any],
    coarse: Tensor | None = None,
    weights: Tensor | None = None,
) -> Cases:
    """Return cases whose coarse fields are the block means of the fine ones, unless they are given.

    Raises InputError for NaN, an empty split, a factor that does not fit, and coarse fields that are those of others.
    """
    for name, values in (("fine", fine), ("coarse", coarse)):
        if values is not None and not torch.isfinite(values).all():
            raise InputError(
                f"the {name} fields have {int((~torch.isfinite(values)).sum())} NaN or infinite values; fill or leave "
                f"out those frames."
            )
    for name in SPLITS:
        if not len(splits[name]):
            raise InputError(f"the data leave no case for the split {name!r}; give more frames or storms.")
    if coarse is None:
        coarse = block_mean(fine, factor, weights=weights)
    cases = Cases(
        variables=tuple(variables),
        fine=fine.float(),
        coarse=coarse.float(),
        splits={name: torch.tensor(list(map(list, rows)), dtype=torch.long) for name, rows in splits.items()},
        facts=facts,
        weights=weights,
    )
    if cases.factor != factor:
        raise InputError(f"the data have a factor of {cases.factor}, not {factor}; give --factor {cases.factor}.")
    counts = {name: len(rows) for name, rows in cases.splits.items()}
    mismatch = cases.mismatch()
    for name, share in mismatch.items():
        if share > NO_PAIR:
            raise InputError(
                f"the coarse fields of {name} are not those of the fine ones: off from their block means by "
                f"{share:.2g} standard deviations on average, and {NO_PAIR:g} at most can be a way of coarsening; "
                f"check the order of cases and axes, and the units."
            )
    return Cases(**{**vars(cases), "facts": {**facts, "cases": counts, "coarse_mismatch": mismatch}})


class _Numbered(Dataset[Batch]):
    """Training batches by the number of their step: each case once an epoch, in an order of the seed's."""

    def __init__(self, cases: Cases, *, size: int, seed: int) -> None:
        self.cases, self.size, self.seed = cases, size, seed

    def __getitem__(self, number: int) -> Batch:
        rows = self.cases.splits[TRAIN]
        places = torch.arange(number * self.size, (number + 1) * self.size)
        epochs = places // len(rows)
        orders = {epoch: self._order(epoch, len(rows)) for epoch in epochs.unique().tolist()}
        drawn = [
            orders[epoch][place % len(rows)] for epoch, place in zip(epochs.tolist(), places.tolist(), strict=True)
        ]
        return self.cases.batch(rows[drawn])

    def _order(self, epoch: int, count: int) -> list[int]:
        dice = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        return torch.randperm(count, generator=dice).tolist()


class _Whole(Dataset[Batch]):
    """A split in batches."""

    def __init__(self, cases: Cases, split: str, size: int) -> None:
        self.cases, self.rows = cases, cases.batches(split, size)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> Batch:
        return self.cases.batch(self.rows[number])


class TrainingCases:
    """Cases as a source of `training.batches.Rounds`."""

    def __init__(self, cases: Cases, *, batch_size: int, seed: int) -> None:
        self.cases, self.windows, self.facts = cases, len(cases.splits[TRAIN]), cases.facts
        self.shape: tuple[int, int] = tuple(cases.fine.shape[-2:])  # type: ignore[assignment]
        self._training = _Numbered(cases, size=batch_size, seed=seed)

    def statistics(self) -> dict[str, list]:
        return {name: list(values) for name, values in vars(self.cases.statistics()).items()}

    def training(self, start: int, stop: int, place: Place) -> DataLoader:
        numbers = [step * place.world + place.rank for step in range(start, stop)]
        return DataLoader(self._training, batch_size=None, sampler=numbers)

    def validation(self) -> DataLoader:
        return DataLoader(_Whole(self.cases, VALIDATION, VALIDATION_BATCH), batch_size=None)

    def epoch_end(self, start: int, place: Place) -> int | None:
        return None  # a batch may reach over the end of an epoch
