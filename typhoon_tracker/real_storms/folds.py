"""Five folds of storms, and what is trained for each: every storm is forecast by networks that never saw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from typhoon_tracker.besttrack import shipped
from typhoon_tracker.errors import InputError
from typhoon_tracker.forecast.model import FieldModel
from typhoon_tracker.real_storms.batches import MadeUp, Real
from typhoon_tracker.real_storms.learn import settings_of, train
from typhoon_tracker.real_storms.windows import PAST, Series, init_indices
from typhoon_tracker.training.settings import RECONSTRUCTION

FOLDS = 5
LAST_SEASON = 2015  # of the pretraining and of CLIPER: nothing of the season of the real storms
NETWORKS: dict[str, dict[str, Any]] = {
    "met2net": {"spatial_channels": 16, "temporal_channels": 96, "layers": 3},
    "tau": {"spatial_channels": 24, "temporal_channels": 96, "layers": 3, "expansion": 4},
}
FROM_NOTHING = "from-nothing"
KINDS = ("met2net", FROM_NOTHING, "tau")


@dataclass(frozen=True)
class Budget:
    """Steps and rates of the trainings; a round of `every` steps ends with a validation."""

    pretraining: int = 4000
    tuning: int = 400
    every: int = 100
    rate: float = 1e-3
    tuning_rate: float = 3e-4
    batch_size: int = 8
    validation_windows: int = 128
    seed: int = 1


BUDGET = Budget()


@dataclass(frozen=True)
class Fold:
    """Storms held out for the test, those trained on, and those of the training storms that end it early."""

    number: int
    held_out: tuple[Series, ...]
    training: tuple[Series, ...]
    validation: tuple[Series, ...]


def split(storms: Sequence[Series]) -> list[Fold]:
    """Split the storms, the longest first, in turn among the folds; every fifth of the rest validates.

    Raises InputError where there are too few storms with a window.
    """
    usable = [series for series in storms if len(init_indices(series))]
    if len(usable) < 2 * FOLDS:
        raise InputError(
            f"{len(usable)} storms have {PAST + 1} patches or more; {FOLDS} folds need {2 * FOLDS} storms at least."
        )
    longest = sorted(usable, key=lambda series: (-len(series), series.name))
    folds = []
    for number in range(FOLDS):
        held_out = tuple(longest[number::FOLDS])
        rest = [series for series in longest if series not in held_out]
        validation = tuple(rest[FOLDS // 2 :: FOLDS])
        training = tuple(series for series in rest if series not in validation)
        folds.append(Fold(number, held_out, training, validation))
    return folds


def pretrain(architecture: str, out: Path, budget: Budget = BUDGET) -> FieldModel:
    """Return the network trained on the reconstruction of the seasons to 2015, chosen on the last of them."""
    best = shipped.load("wmo").table
    best = best[best["season"] <= LAST_SEASON]
    source = MadeUp(best, batch_size=budget.batch_size, seed=budget.seed, validation_windows=budget.validation_windows)
    settings = settings_of(
        architecture,
        NETWORKS[architecture],
        steps=budget.pretraining,
        learning_rate=budget.rate,
        batch_size=budget.batch_size,
        seed=budget.seed,
        data=RECONSTRUCTION,
    )
    return train(source, settings, out / f"{architecture}-pretrained", every=budget.every)


def tune(architecture: str, fold: Fold, out: Path, start: FieldModel | None, budget: Budget = BUDGET) -> FieldModel:
    """Return the network trained on a fold's real storms, from `start` or from nothing."""
    source = Real(fold.training, fold.validation, batch_size=budget.batch_size, seed=budget.seed + fold.number)
    settings = settings_of(
        architecture,
        NETWORKS[architecture],
        steps=budget.tuning,
        learning_rate=budget.rate if start is None else budget.tuning_rate,
        batch_size=budget.batch_size,
        seed=budget.seed + fold.number,
        data="ERA5 storm patches",
    )
    if start is not None:
        settings = replace(settings, start_from=f"{architecture}-pretrained")
    kind = "scratch" if start is None else "tuned"
    return train(
        source, settings, out / f"{architecture}-{kind}-fold{fold.number}", every=budget.every // 2, start=start
    )


def models(
    folds: Sequence[Fold], out: Path, kinds: Sequence[str] = KINDS, budget: Budget = BUDGET
) -> list[dict[str, FieldModel]]:
    """Return for each fold its trained networks by name; those already in `out` are not trained again.

    Of Met2Net and TAU the network that is pretrained and tuned, of Met2Net also the one that is pretrained only.
    """
    found: list[dict[str, FieldModel]] = [{} for _ in folds]
    for kind in [one for one in KINDS if one in kinds]:
        start = None if kind == FROM_NOTHING else pretrain(kind, out, budget)
        architecture = "met2net" if start is None else kind
        for fold, held in zip(folds, found, strict=True):
            held["met2net from nothing" if start is None else f"{kind} tuned"] = tune(
                architecture, fold, out, start, budget
            )
            if kind == "met2net" and start is not None:
                held["met2net pretrained"] = start
    return found
