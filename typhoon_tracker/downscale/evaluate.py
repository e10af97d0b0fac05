"""A downscaler scored over a split, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from typhoon_tracker.downscale.cases import SPLITS, TEST, TRAIN, Cases
from typhoon_tracker.downscale.constraints import block_mean
from typhoon_tracker.downscale.data import open_cases
from typhoon_tracker.downscale.folder import Refiner, find, load
from typhoon_tracker.downscale.interpolation import interpolation
from typhoon_tracker.downscale.metrics import Scores
from typhoon_tracker.downscale.model import Downscaler
from typhoon_tracker.downscale.nets import draws
from typhoon_tracker.downscale.settings import one_of
from typhoon_tracker.errors import InputError

BATCH = 16  # cases
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """Scores by variable and column, the range of the true fields by variable, and what was evaluated."""

    scores: dict[str, dict[str, float | None]]
    ranges: dict[str, tuple[float, float]]
    facts: dict[str, Any]


def baseline(name: str, cases: Cases) -> Refiner:
    """Return an interpolation for the cases, with the statistics of their training split; see `interpolation`."""
    return interpolation(name, cases.variables, factor=cases.factor, normalisation=cases.statistics())


def open_model(name: str, *, data: str | None = None) -> tuple[Refiner, Cases]:
    """Return a trained downscaler with the cases of its training, or those of other data split in the same way."""
    refiner = load(find(name))
    about = refiner.training
    cases = open_cases(
        data or str(about["data"]),
        variables=refiner.variables,
        factor=refiner.factor,
        frames=int(about["frames"]),
        split_seed=int(about["split_seed"]),
        area_weights=bool(about["area_weights"]),
        size=about.get("size"),
    )
    return refiner, cases


def evaluate(
    refiner: Refiner, cases: Cases, *, split: str = TEST, members: int = 10, seed: int = 0, progress: Progress
) -> Evaluation:
    """Return the scores of a downscaler over a split; a GAN's are those of an ensemble of `members` draws of noise.

    Raises InputError for an unknown split, fewer than two members, and fields that its constraint cannot take.
    """
    one_of("split", split, SPLITS)
    if members < 2:
        raise InputError(f"--members {members} make no ensemble; give 2 at least.")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = refiner.model.to(device)
    ranges, gathered = {}, {}
    rows = cases.splits[split]
    for i, name in enumerate(cases.variables):
        truth = cases.fine[rows.unique(), i]
        ranges[name] = (float(truth.min()), float(truth.max()))
        gathered[name] = Scores(low=ranges[name][0], high=ranges[name][1], shape=tuple(truth.shape[-2:]))  # type: ignore[arg-type]
    batches = cases.batches(split, BATCH)
    for done, chosen in enumerate(batches, start=1):
        batch = cases.batch(chosen)
        given, weights = model.given(batch.coarse), batch.weights
        with torch.inference_mode():
            noise = draws(given.shape[:2], members, seed=seed * 1_000_003 + done) if model.noisy else [None]
            made = torch.stack([_made(model, given.to(device), one, weights) for one in noise])  # (M, B, T, C, H, W)
        fine = made.double().mean(0)
        means = block_mean(model.given(fine), cases.factor, weights=weights)
        for i, name in enumerate(cases.variables):
            gathered[name].add(
                fine[:, :, i].flatten(0, 1),
                batch.fine[:, :, i].flatten(0, 1),
                violation=(means - given)[:, :, i],
                members=made[:, :, :, i].flatten(1, 2) if model.noisy else None,
            )
        progress("scoring", done, len(batches))
    facts = {
        "model": refiner.name,
        "constraint": model.constraint,
        "data": str(cases.facts["data"]),
        "split": split,
        "cases": len(rows),
        "frames": rows.shape[1] * len(rows),
        "members": members if model.noisy else None,
        "ms_ssim_scales": gathered[cases.variables[0]].scales or None,
        "coarse_mismatch": cases.facts["coarse_mismatch"],
        **({"cropped": cases.facts["cropped"]} if "cropped" in cases.facts else {}),
        "seen_in_training": _seen(refiner, cases, split),
    }
    return Evaluation({name: scores.compute() for name, scores in gathered.items()}, ranges, facts)


def _made(model: Downscaler, given: Tensor, noise: Tensor | None, weights: Tensor | None) -> Tensor:
    noise, weights = (None if value is None else value.to(given.device) for value in (noise, weights))
    return model(given, noise=noise, weights=weights).cpu()


def _seen(refiner: Refiner, cases: Cases, split: str) -> list[str]:
    """The storms of the split that the model was trained on."""
    trained: Mapping[str, list[str]] = refiner.training.get("storms", {})
    return sorted(set(trained.get(TRAIN, ())) & set(cases.facts.get("storms", {}).get(split, ())))
