"""Small storms to train on: vortices on a weak wind, in a storm-patch file of 16 x 16 points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr

from tests.sources.samples import save
from typhoon_tracker.downscale.cases import Cases
from typhoon_tracker.downscale.data import open_cases
from typhoon_tracker.downscale.fit import Outcome, fit
from typhoon_tracker.downscale.settings import Settings
from typhoon_tracker.training.trainer import Machine

STORMS, FRAMES, POINTS = 6, 5, 16
TINY = {"steps": 4, "batch_size": 3, "width": 4}


def patch_file(path: Path, *, points: int = POINTS) -> Path:
    """Six storms of five frames, each another vortex."""
    random = np.random.default_rng(0)
    offset = 0.25 * (np.arange(points) - points // 2)
    names = np.repeat([f"STORM{i}" for i in range(STORMS)], FRAMES)
    times = np.tile(pd.date_range("2016-09-01", periods=FRAMES, freq="6h"), STORMS)
    wind = np.repeat(random.uniform(10.0, 40.0, STORMS), FRAMES) + random.uniform(0.0, 3.0, STORMS * FRAMES)
    y, x = np.meshgrid(-offset, offset, indexing="ij")
    r = np.hypot(x, y) + 1e-6
    turning = np.stack([v * (r / 0.7) * np.exp(1 - r / 0.7) for v in wind])
    noise = random.standard_normal((2, len(wind), points, points))
    fields = {
        "u10": -turning * y / r - 4.0 + 0.3 * noise[0],
        "v10": turning * x / r + 0.3 * noise[1],
        "z500": 5850.0 - 3.0 * wind[:, None, None] * np.exp(-(r**2)),
    }
    record = {
        "storm": names, "time": times, "origin_lat": np.full(len(wind), 20.0), "origin_lon": np.full(len(wind), 130.0),
        "bt_lat": np.full(len(wind), 20.0), "bt_lon": np.full(len(wind), 130.0), "bt_pressure": 1010 - wind,
        "bt_wind": wind,
    }  # fmt: skip
    data = {name: (("record", "dlat", "dlon"), values) for name, values in fields.items()}
    raw = xr.Dataset({**data, **{name: ("record", values) for name, values in record.items()}})
    return save(raw.assign_coords(dlat=-offset, dlon=offset), path)


def cases_of(path: Path, **changes: object) -> Cases:
    return open_cases(str(path), **{"factor": 4, **changes})  # type: ignore[arg-type]


def trained(data: Path, out: Path, *, every: int = 2, **changes: object) -> Outcome:
    """Train a tiny network into `out`."""
    settings = Settings(data=str(data), **{**TINY, **changes})  # type: ignore[arg-type]
    outcome = fit(settings, Machine(out, every=every))
    assert outcome is not None
    return outcome


def silent(stage: str, done: int, total: int) -> None:
    pass


def tensors(folder: Path, *, frames: int = 1, splits: tuple[str, ...] = ("train", "val"), shift: float = 0.0) -> Path:
    """Pairs of tensors as of the public code: ten cases a split, a factor of 2."""
    torch.manual_seed(0)
    for split in splits:
        (folder / split).mkdir(parents=True)
        fine = torch.rand(10, frames, 1, 8, 8)
        coarse = torch.nn.functional.avg_pool2d(fine[:, :, 0], 2)[:, :, None] + shift
        torch.save(fine, folder / split / f"target_{split}.pt")
        torch.save(coarse, folder / split / f"input_{split}.pt")
    return folder
