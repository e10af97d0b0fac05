"""Cases from storm patches, from fields on disk, and from pairs of tensors."""

from __future__ import annotations

import glob
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from typhoon_tracker.downscale.cases import SPLITS, TEST, TRAIN, VALIDATION, Cases, make
from typhoon_tracker.downscale.variables import SPEED, as_variable, needed
from typhoon_tracker.errors import InputError
from typhoon_tracker.sources.files import open_files
from typhoon_tracker.sources.patches import Patch, open_patches
from typhoon_tracker.sources.readers import open_raw

PATCHED = (SPEED, "u10", "v10", "z500")
HELD_OUT = 0.2  # of the frames or storms, for each of validation and test
Rows = list[list[int]]


@dataclass(frozen=True)
class _Asked:
    path: str
    variables: tuple[str, ...]
    factor: int
    frames: int
    area_weights: bool
    size: int | None


def open_cases(
    path: str,
    *,
    variables: Sequence[str] = (),
    factor: int,
    frames: int = 1,
    split_seed: int = 0,
    area_weights: bool = False,
    size: int | None = None,
) -> Cases:
    """Return the cases of `frames` successive frames in a storm-patch file, fields on disk or pairs of tensors.

    Storm patches are split by storm, drawn by `split_seed`; fields in time, the first 60 % to train; tensors
    (N, T, C, H, W) lie in files input_train.pt, target_train.pt and so on (val, test) in the folder or in folders that
    match a pattern, and where there is no test, val tests and the last fifth of train chooses. Without variables: wind
    speed. Coarse fields are block means, weighted by cos(latitude) with `area_weights`; grids that the factor does not
    divide are cropped about their middle, and of larger ones than `size` only the middle is used. Raises InputError for
    whatever cannot be read or used so.
    """
    if factor < 2:
        raise InputError(f"--factor {factor} refines nothing; give 2, 4 or 8.")
    asked = _Asked(path, tuple(variables) or (SPEED,), factor, frames, area_weights, size)
    folders = [Path(name) for name in sorted(glob.glob(path)) if any(Path(name).rglob("input_*.pt"))]
    if folders:
        return _tensors(asked, folders, named=variables)
    return _patches(asked, split_seed) if _are_patches(path) else _fields(asked)


def _are_patches(path: str) -> bool:
    if not Path(path).is_file() or Path(path).suffix != ".nc":
        return False
    with open_raw(path, ("u10",)) as (raws, _):
        return any("record" in raw.dims for raw in raws)


def _patches(asked: _Asked, split_seed: int) -> Cases:
    unknown = [name for name in asked.variables if name not in PATCHED]
    if unknown:
        raise InputError(f"storm patches have no {', '.join(unknown)}; they have {', '.join(PATCHED)}.")
    storms = [list(storm) for storm in open_patches(asked.path)]
    rows: list[Rows] = []
    start = 0
    for storm in storms:
        rows.append(_sequences(pd.DatetimeIndex([patch.time for patch in storm]), asked.frames, start=start))
        start += len(storm)
    patches = [patch for storm in storms for patch in storm]
    fine = np.stack([np.stack([_field(patch, name) for name in asked.variables]) for patch in patches])
    latitude = np.stack([patch.latitude for patch in patches])
    drawn = _draw([len(storm) for storm in storms], split_seed)
    splits = {name: [row for i in chosen for row in rows[i]] for name, chosen in drawn.items()}
    facts = {
        "data": asked.path,
        "source": "ERA5 windows that follow storms",
        "storms": {name: [storms[i][0].storm for i in chosen] for name, chosen in drawn.items()},
        "split_seed": split_seed,
        "fine_step": round(float(abs(latitude[0, 1] - latitude[0, 0])), 4),
    }
    return _on_grid(asked, fine, latitude, splits, facts)


def _field(patch: Patch, name: str) -> np.ndarray:
    return np.hypot(patch.u10, patch.v10) if name == SPEED else getattr(patch, name)


def _draw(frames: Sequence[int], seed: int) -> dict[str, list[int]]:
    """Whole storms in an order of the seed's: to test and validation until each has its share, the others to train."""
    order = np.random.default_rng(seed).permutation(len(frames)).tolist()
    share = HELD_OUT * sum(frames)
    splits: dict[str, list[int]] = {name: [] for name in SPLITS}
    for storm in order:
        held = next((s for s in (TEST, VALIDATION) if sum(frames[i] for i in splits[s]) < share), TRAIN)
        splits[held].append(storm)
    return splits


def _fields(asked: _Asked) -> Cases:
    fields = open_files(asked.path, variables=needed(asked.variables))
    fine = np.stack([as_variable(fields, name) for name in asked.variables], axis=1)
    times = pd.DatetimeIndex(fields["time"].values)
    first, second = (round(share * len(times)) for share in (1 - 2 * HELD_OUT, 1 - HELD_OUT))
    bounds = {TRAIN: (0, first), VALIDATION: (first, second), TEST: (second, len(times))}
    splits = {name: _sequences(times[a:b], asked.frames, start=a) for name, (a, b) in bounds.items()}
    latitude = np.broadcast_to(fields["latitude"].values, (len(times), fields.sizes["latitude"]))
    facts = {
        "data": asked.path,
        "source": fields.attrs["source"],
        "times": {name: [str(times[a]), str(times[b - 1])] for name, (a, b) in bounds.items() if b > a},
        "fine_step": round(float(abs(latitude[0, 1] - latitude[0, 0])), 4),
    }
    return _on_grid(asked, fine, latitude, splits, facts)


def _sequences(times: pd.DatetimeIndex, frames: int, *, start: int) -> Rows:
    """The numbers of `frames` successive frames at even steps, from every frame on."""
    steps = np.diff(times.values)
    usual = np.median(steps.astype(np.int64)) if len(steps) else 0
    return [
        list(range(start + i, start + i + frames))
        for i in range(len(times) - frames + 1)
        if (steps[i : i + frames - 1].astype(np.int64) == usual).all()
    ]


def _on_grid(asked: _Asked, fine: np.ndarray, latitude: np.ndarray, splits: dict[str, Rows], facts: dict) -> Cases:
    height, width = fine.shape[-2:]
    rows, columns = (_middle(n, asked.factor, asked.size) for n in (height, width))
    if (rows.stop - rows.start, columns.stop - columns.start) != (height, width):
        facts["cropped"] = f"{height} x {width} to the middle {rows.stop - rows.start} x {columns.stop - columns.start}"
    weights = torch.from_numpy(np.cos(np.deg2rad(latitude[:, rows])))[:, None, :, None].float()
    return make(
        torch.from_numpy(np.ascontiguousarray(fine[..., rows, columns], np.float32)),
        splits,
        variables=asked.variables,
        factor=asked.factor,
        facts={**facts, "area_weights": asked.area_weights},
        weights=weights if asked.area_weights else None,
    )


def _middle(points: int, factor: int, size: int | None) -> slice:
    kept = min(points, size or points) // factor * factor
    if not kept:
        raise InputError(f"a factor of {factor} does not fit a grid of {points} points.")
    start = (points - kept) // 2
    return slice(start, start + kept)


def _tensors(asked: _Asked, folders: Sequence[Path], *, named: Sequence[str]) -> Cases:
    path, frames = asked.path, asked.frames
    if asked.size is not None:
        raise InputError(f"the tensors of {path} are used whole; leave --size out.")
    if asked.area_weights:
        raise InputError(f"the tensors of {path} have no latitude for --area-weights; leave it out.")
    pairs = {name: _pair(path, folders, name) for name in ("train", "val", "test")}
    if pairs["train"] is None or (pairs["val"] is None and pairs["test"] is None):
        raise InputError(f"{path} needs input_train.pt, target_train.pt and the same two of val or test.")
    held = [pair for pair in (pairs["train"], pairs["val"], pairs["test"]) if pair is not None]
    shape = held[0][1].shape
    for coarse, fine in held:
        if fine.shape[1:] != shape[1:] or coarse.shape[1:] != held[0][0].shape[1:]:
            raise InputError(f"the tensors of {path} differ in shape: {tuple(fine.shape)} and {tuple(shape)}.")
    length, channels = shape[1:3]
    if frames > length:
        raise InputError(f"the tensors of {path} have {length} frame(s) a case, not {frames}; give --frames {length}.")
    if named and len(named) != channels:
        raise InputError(
            f"the tensors of {path} have {channels} channel(s); {len(named)} --variable name(s) were given."
        )
    names = tuple(named) or tuple(f"field{i + 1}" for i in range(channels))
    counts = [len(fine) for _, fine in held]
    starts = np.cumsum([0, *counts])
    cases = [[list(range(i * length, i * length + frames)) for i in range(a, b)] for a, b in zip(starts, starts[1:])]  # noqa: B905, RUF007
    if len(held) == 2:
        kept = round((1 - HELD_OUT) * counts[0])
        cases = [cases[0][:kept], cases[0][kept:], cases[1]]
    coarse, fine = (torch.cat([pair[i] for pair in held]).flatten(0, 1) for i in (0, 1))
    facts = {"data": path, "source": f"tensors of {path}"}
    splits = dict(zip(SPLITS, cases, strict=True))
    return make(fine, splits, variables=names, factor=asked.factor, facts=facts, coarse=coarse)


def _pair(path: str, folders: Sequence[Path], split: str) -> tuple[Tensor, Tensor] | None:
    found = []
    for kind in ("input", "target"):
        files = [file for folder in folders for file in sorted(folder.rglob(f"{kind}_{split}.pt"))]
        if not files:
            return None
        if len(files) > 1:
            raise InputError(
                f"{path} holds several {kind}_{split}.pt: {files[0]} and {files[1]}; give the folder of one."
            )
        found.append(_tensor(files[0]))
    coarse, fine = found
    if coarse.shape[:3] != fine.shape[:3]:
        raise InputError(
            f"input_{split}.pt {tuple(coarse.shape)} and target_{split}.pt {tuple(fine.shape)} differ in cases, frames "
            f"or channels."
        )
    return coarse, fine


def _tensor(path: Path) -> Tensor:
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise InputError(f"{path} cannot be read as a tensor: {str(error).splitlines()[0]}") from error
    if not isinstance(value, Tensor) or value.ndim != 5 or not value.is_floating_point():
        what = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise InputError(f"{path} holds {what}; a tensor of numbers (cases, time, channels, rows, columns) is needed.")
    return value.float()
