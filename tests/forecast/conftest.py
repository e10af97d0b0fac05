"""A small network with random weights in a model folder, and fields for it to forecast."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from typhoon_tracker.fields.contract import CORE, create
from typhoon_tracker.forecast.checkpoint import save
from typhoon_tracker.forecast.model import FieldModel, Normalisation
from typhoon_tracker.nets.met2net import Met2Net, Met2NetConfig

TYPICAL = {"msl": (100_800.0, 600.0), "u10": (0.0, 5.0), "v10": (0.0, 5.0), "t2m": (298.0, 4.0)}
MEAN, STD = (np.array(values) for values in zip(*TYPICAL.values(), strict=True))
FRAMES_IN, FRAMES_OUT = 4, 3


@pytest.fixture(scope="session")
def model() -> FieldModel:
    torch.manual_seed(0)
    config = Met2NetConfig(
        frames_in=FRAMES_IN, frames_out=FRAMES_OUT, spatial_channels=4, temporal_channels=8, layers=1, heads=2
    )
    tendency = [list(STD * (lead + 1) / 10) for lead in range(FRAMES_OUT)]
    made = FieldModel(Met2Net(config), Normalisation(list(MEAN), list(STD), tendency))
    for parameter in made.parameters():  # far from its start, so that every part of it matters
        parameter.data += 0.05 * torch.randn_like(parameter)
    return made.eval()


@pytest.fixture
def folder(model, tmp_path: Path) -> Path:
    path = tmp_path / "small"
    save(model, path, variables=CORE, training={"data": "random"})
    return path


def make_fields(*, height: int = 16, width: int = 20, frames: int = 10, step: str = "1h", seed: int = 0) -> xr.Dataset:
    """White noise of typical size from 2023-05-25 00Z."""
    noise = np.random.default_rng(seed).standard_normal((frames, len(CORE), height, width))
    values = {name: MEAN[k] + STD[k] * noise[:, k] for k, name in enumerate(CORE)}
    times = pd.date_range("2023-05-25", periods=frames, freq=step)
    latitude, longitude = 30.0 - 0.25 * np.arange(height), 120.0 + 0.25 * np.arange(width)
    return create(values, times, latitude, longitude, source="noise")


@pytest.fixture
def fields() -> xr.Dataset:
    return make_fields()


def times(*hours: int) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([pd.Timestamp("2023-05-25") + pd.Timedelta(hours=h) for h in hours])
