"""Run the commands as a person would, within this interpreter, and small models to run them with."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import typer
import xarray as xr

from typhoon_tracker.console import call
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.forecast.base import as_forecast, check_request

PROJECT = Path(__file__).resolve().parents[1]
ROKE = ("--storm", "ROKE", "--season", "2022")  # three days in the region, 11 init times, 8 scored at 3 h


@dataclass(frozen=True)
class Outcome:
    """What a command left on the terminal."""

    code: int
    out: str
    err: str


def command(app: typer.Typer, *arguments: str | Path) -> Outcome:
    """Run a command line to its end."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    argv = ["typhoon-tracker", *map(str, arguments)]
    with redirect_stdout(out), redirect_stderr(err), patch.object(sys, "argv", argv):
        try:
            call(app)
        except SystemExit as stop:
            code = int(stop.code or 0)
    return Outcome(code, out.getvalue(), err.getvalue())


def run(*arguments: str | Path) -> Outcome:
    from typhoon_tracker.run import app

    return command(app, *arguments)


def tracker(*arguments: str | Path) -> Outcome:
    from typhoon_tracker.cli import app

    return command(app, *arguments)


def tiny_model(folder: Path, *, variables: Sequence[str] = CORE, **sizes: int) -> Path:
    """Save a Met2Net of a few hundred weights that nobody trained."""
    import torch

    from typhoon_tracker.forecast.checkpoint import save
    from typhoon_tracker.forecast.model import FieldModel, Normalisation
    from typhoon_tracker.nets.met2net import Met2Net, Met2NetConfig

    small = {"spatial_channels": 2, "temporal_channels": 4, "stages": 4, "layers": 1, "heads": 2}
    torch.manual_seed(0)
    config = Met2NetConfig(variables=len(variables), drop_path=0.0, **{**small, **sizes})
    normal = {"msl": (101_000.0, 1000.0, 100.0), "t2m": (290.0, 10.0, 1.0)}
    mean, std, change = zip(*(normal.get(name, (0.0, 8.0, 1.0)) for name in variables), strict=True)
    save(FieldModel(Met2Net(config), Normalisation(mean, std, [change] * 12)), folder, variables=variables, training={})
    return folder


class Flat:
    """A forecaster without weather: every storm is lost."""

    name = "flat"
    folder = None
    frames_in = 1
    horizon_hours = 12
    seasons_seen = ()

    def hindcast(
        self, fields: xr.Dataset, init_times: pd.DatetimeIndex, lead_hours: Sequence[int]
    ) -> Iterator[xr.Dataset]:
        check_request(self, fields, init_times, lead_hours)
        shape = (len(lead_hours), fields.sizes["latitude"], fields.sizes["longitude"])
        calm = {"msl": 101_000.0, "t2m": 300.0}
        frames = {name: np.full(shape, calm.get(name, 0.0), np.float32) for name in CORE}
        for init in init_times:
            yield as_forecast(frames, fields, init, lead_hours, model=self.name)


def rewritten(source: Path, path: Path, change: Callable[[xr.Dataset], xr.Dataset]) -> Path:
    """Write a changed copy of a netCDF file."""
    with xr.open_dataset(source, engine="h5netcdf") as raw:
        changed = change(raw.load())
    changed.drop_encoding().to_netcdf(path, engine="h5netcdf")
    return path
