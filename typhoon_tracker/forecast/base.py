"""The Forecaster protocol and the forecast contract.

A forecast is a Dataset with dims `init_time, lead_time, latitude, longitude` and the coordinate `valid_time`; its
variables, units and `source` are those of the fields it came from, and `attrs["model"]` names the forecaster.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import xarray as xr

from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import DIMS

LONGEST_LEAD_HOURS = 72


class Forecaster(Protocol):
    """Anything that turns fields up to an init time into fields after it."""

    name: str
    folder: Path | None  # of a trained model
    frames_in: int  # hourly frames needed, the last at the init time
    horizon_hours: int  # of one forecast; later leads, up to LONGEST_LEAD_HOURS, go on from its own frames
    seasons_seen: Collection[int]  # in training or in the choice of its weights

    def hindcast(
        self, fields: xr.Dataset, init_times: pd.DatetimeIndex, lead_hours: Sequence[int]
    ) -> Iterator[xr.Dataset]:
        """Yield one forecast Dataset per init time, holding the leads asked for; constant memory."""
        ...


def check_leads(lead_hours: Sequence[int]) -> None:
    """Raise InputError where a lead is not in 1 to LONGEST_LEAD_HOURS."""
    for lead in lead_hours:
        if not 1 <= lead <= LONGEST_LEAD_HOURS:
            raise InputError(f"lead {lead} h is outside 1 to {LONGEST_LEAD_HOURS} h; choose one inside.")


def check_request(
    forecaster: Forecaster, fields: xr.Dataset, init_times: pd.DatetimeIndex, lead_hours: Sequence[int]
) -> None:
    """Raise InputError where a lead is out of reach or an init time lacks its past in `fields`."""
    check_leads(lead_hours)
    times = fields.indexes["time"]
    for init in init_times:
        past = pd.date_range(end=init, periods=forecaster.frames_in, freq="h")
        if not past.isin(times).all():
            raise InputError(
                f"a forecast from {init:%Y-%m-%d %H}Z needs the {forecaster.frames_in} hourly frames before it; "
                f"the fields run from {times[0]:%Y-%m-%d %H}Z to {times[-1]:%Y-%m-%d %H}Z."
            )


def as_forecast(
    frames: dict[str, np.ndarray], fields: xr.Dataset, init: pd.Timestamp, lead_hours: Sequence[int], *, model: str
) -> xr.Dataset:
    """Wrap arrays (lead, latitude, longitude) of one init time as a forecast Dataset."""
    leads = pd.to_timedelta(list(lead_hours), unit="h")
    dims = ("init_time", "lead_time", *DIMS[1:])
    coords = {
        "init_time": pd.DatetimeIndex([init]).as_unit("ns"),
        "lead_time": leads.as_unit("ns"),
        "latitude": fields["latitude"],
        "longitude": fields["longitude"],
        "valid_time": (dims[:2], (init + leads).as_unit("ns").values[None]),
    }
    data = {name: (dims, values[None], fields[name].attrs) for name, values in frames.items()}
    return xr.Dataset(data, coords, {**fields.attrs, "model": model})


def valid_frames(forecast: xr.Dataset) -> xr.Dataset:
    """Return the frames of a one-init forecast as fields in the field contract, along their valid times."""
    one = forecast.isel(init_time=0)
    frames = one.assign_coords(time=("lead_time", one["valid_time"].values)).swap_dims(lead_time="time")
    return frames.drop_vars(["lead_time", "init_time", "valid_time"])
