"""Fields refined by a downscaler, and how well they keep the block means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
import xarray as xr

from typhoon_tracker.downscale.constraints import block_mean
from typhoon_tracker.downscale.folder import Refiner
from typhoon_tracker.downscale.nets import draws
from typhoon_tracker.downscale.recurrent import ConvGRU, FlowConvGRU
from typhoon_tracker.downscale.settings import HARD
from typhoon_tracker.downscale.variables import SPEED, as_variable
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import DIMS, annotate

CHUNK = 4  # frames at once, of a network that sees each for itself
CONSERVED = 1e-5  # of the largest coarse value: what float32 may leave
ANOTHER_STEP = 0.1  # relative difference from the training's grid step that is worth a word
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Refined:
    """Fine fields, the largest |block mean - coarse| by variable, and what a reader of them should know."""

    fields: xr.Dataset
    violation: dict[str, float]
    notes: list[str]


def refine(fields: xr.Dataset, refiner: Refiner, *, members: int = 1, seed: int = 0, progress: Progress) -> Refined:
    """Return contract fields on a grid finer by the model's factor; with voxel flow, a frame between every two.

    Of a GAN it is one draw of noise, or with several `members` their mean, and NAME_spread the standard deviation. The
    network that looks along time sees as many frames at once as in training. Raises InputError for times at uneven
    steps before such a network, members of a model without noise, and block means that a hard constraint did not keep.
    """
    model, factor = refiner.model, refiner.factor
    if members < 1 or (members > 1 and not model.noisy):
        raise InputError(f"--members {members}: {refiner.name} makes one field of one; leave it out.")
    coarse = torch.from_numpy(np.stack([as_variable(fields, name) for name in refiner.variables], axis=1)).float()
    latitude, longitude = (_finer(fields[name].values, factor) for name in ("latitude", "longitude"))
    weights = None
    if refiner.training.get("area_weights"):
        weights = torch.from_numpy(np.cos(np.deg2rad(latitude))).float()[:, None]
    times = pd.DatetimeIndex(fields["time"].values)
    means, spreads = [], []
    chunks = list(_chunks(refiner, times))
    for done, (chosen, kept) in enumerate(chunks, start=1):
        given = coarse[chosen][None]
        with torch.inference_mode():
            noise = draws(given.shape[:2], members, seed=seed * 1_000_003 + done) if model.noisy else [None]
            made = torch.stack([model(given, noise=one, weights=weights)[0, :kept] for one in noise])
        means.append(made.mean(0))
        spreads.append(made.std(0) if members > 1 else made[0])
        progress("refining", done, len(chunks))
    fine = torch.cat(means)  # (T', C, H, W)
    flow = isinstance(model.net, FlowConvGRU)
    apart = (block_mean(fine[::2] if flow else fine, factor, weights=weights) - coarse).abs().amax((0, 2, 3))
    violation = dict(zip(refiner.variables, apart.tolist(), strict=True))
    for name, worst, largest in zip(refiner.variables, apart, coarse.abs().amax((0, 2, 3)), strict=True):
        if model.constraint in HARD and worst > CONSERVED * largest:
            raise InputError(
                f"the block means of {name} are off by up to {worst:g}, more than rounding leaves; nothing was written."
            )
    values = dict(zip(refiner.variables, fine.unbind(1), strict=True))
    if members > 1:
        values |= {f"{k}_spread": v for k, v in zip(refiner.variables, torch.cat(spreads).unbind(1), strict=True)}
    coords = {"time": _between(times) if flow else times, "latitude": latitude, "longitude": longitude}
    source = f"{fields.attrs['source']}; downscaled x{factor} by {refiner.name} (constraint {model.constraint})"
    data = {name: (DIMS, value.numpy(), _attributes(fields, name)) for name, value in values.items()}
    return Refined(annotate(xr.Dataset(data, coords, {"source": source})), violation, _notes(fields, refiner))


def _chunks(refiner: Refiner, times: pd.DatetimeIndex) -> Iterator[tuple[slice, int]]:
    """The frames that are given at once, and how many of those made of them are kept."""
    net, count = refiner.model.net, len(times)
    if not isinstance(net, ConvGRU):
        yield from ((slice(i, i + CHUNK), CHUNK) for i in range(0, count, CHUNK))
        return
    if len(np.unique(np.diff(times.values))) > 1:
        raise InputError(f"{refiner.name} looks along time and needs even steps; the times of the fields have gaps.")
    if not isinstance(net, FlowConvGRU):
        length = int(refiner.training["frames"])
        yield from ((slice(i, i + length), length) for i in range(0, count, length))
        return
    if count < 2:
        raise InputError(f"{refiner.name} makes the frame between two; the fields hold {count}.")
    yield from ((slice(i, i + 2), 3 if i == count - 2 else 2) for i in range(count - 1))


def _finer(axis: np.ndarray, factor: int) -> np.ndarray:
    """The centres of `factor` points within each cell of an even axis."""
    step = (float(axis[-1]) - float(axis[0])) / (len(axis) - 1)
    return float(axis[0]) + step * ((np.arange(len(axis) * factor) + 0.5) / factor - 0.5)


def _between(times: pd.DatetimeIndex) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(times.append(times[:-1] + (times[1:] - times[:-1]) / 2).sort_values())


def _attributes(fields: xr.Dataset, name: str) -> dict[str, str]:
    plain = name.removesuffix("_spread")
    known = {"units": "m s-1", "standard_name": "wind_speed"} if plain == SPEED else dict(fields[plain].attrs)
    if plain == name:
        return known
    return {"units": known.get("units", ""), "long_name": f"ensemble standard deviation of {plain}"}


def _notes(fields: xr.Dataset, refiner: Refiner) -> list[str]:
    notes = []
    if SPEED in refiner.variables and SPEED not in fields:
        notes.append("the coarse speed is that of the coarse u10 and v10, less than the mean speed where they turn")
    trained = float(refiner.training.get("fine_step") or 0.0) * refiner.factor
    step = abs(float(fields["latitude"][1] - fields["latitude"][0]))
    if trained and abs(step - trained) > ANOTHER_STEP * trained:
        notes.append(f"the model was trained from a grid of {trained:g} degrees; these fields have {step:g}")
    return notes
