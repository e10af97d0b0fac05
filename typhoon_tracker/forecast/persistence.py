"""Persistence of the fields: the weather stays as it is, and so does the storm."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.forecast.base import as_forecast, check_request


class Persistence:
    """Every lead repeats the frame at the init time."""

    name = "persistence"
    folder: Path | None = None
    frames_in = 1
    horizon_hours = 12
    seasons_seen: Collection[int] = ()

    def hindcast(
        self, fields: xr.Dataset, init_times: pd.DatetimeIndex, lead_hours: Sequence[int]
    ) -> Iterator[xr.Dataset]:
        """Yield one forecast per init time (see Forecaster)."""
        check_request(self, fields, init_times, lead_hours)
        for init in init_times:
            last = fields.sel(time=init)
            frames = {name: np.repeat(last[name].values[None], len(lead_hours), axis=0) for name in CORE}
            yield as_forecast(frames, fields, init, lead_hours, model=self.name)
