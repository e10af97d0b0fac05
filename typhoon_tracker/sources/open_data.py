"""Today's storms: analyses and forecasts of the ECMWF (IFS HRES) from its open data, on the 0.25 degree grid."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from typhoon_tracker.besttrack.download import cache_folder
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE, DIMS, annotate, validate
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.base import Progress
from typhoon_tracker.sources.files import open_files
from typhoon_tracker.sources.open_data_store import ELSEWHERE, Absent, OpenDataStore
from typhoon_tracker.sources.retry import Patience

CYCLE_HOURS, STEP_HOURS = 6, 3
LONGEST_LEAD_HOURS = 90  # of the 06 and 18Z cycles; those of 00 and 12Z go on
CYCLES_BACK = 4  # looked for where the newest are not there yet
INTERPOLATION = (
    "linear in time between the analyses at 00, 06, 12, 18Z: at the hours between, a moving vortex is two faded ones"
)


class OpenData:
    """ECMWF open data: the newest analyses as hourly fields, and the ECMWF's own forecast as a rival.

    `endpoint` is "ecmwf", "aws", "google" or the URL of another place with the same layout; files are kept for some
    days in `folder` (in the user's cache if not given). `status` is told of retries and of cycles not there yet.
    """

    name = "open-data"
    label = "ECMWF open data (IFS HRES at 0.25 deg)"

    def __init__(
        self,
        folder: Path | None = None,
        *,
        endpoint: str = "ecmwf",
        patience: Patience | None = None,
        status: Callable[[str], object] = lambda sentence: None,
    ) -> None:
        folder = folder or cache_folder() / "open_data"
        self._status = status
        self._store = OpenDataStore(folder, endpoint, patience=patience or Patience(), status=status)

    def latest(
        self,
        region: Region,
        *,
        hours_back: int = 12,
        now: pd.Timestamp | None = None,
        progress: Progress | None = None,
    ) -> xr.Dataset:
        """Return hourly contract fields of the `hours_back` hours up to the newest analysis before `now` (UTC).

        Analyses are six-hourly; the hours between are linear in time, which `attrs["time_interpolation"]` says, and
        `attrs["source"]` which analyses they are and which cycle was not there yet. `progress` is told bytes. Raises
        InputError where no analysis of the last day is there, NetworkError where the place stays out of reach.
        """
        count = -(-hours_back // CYCLE_HOURS) + 1
        if count < 2:
            raise InputError(f"{hours_back} hours back hold no analysis but the newest; give 1 or more.")
        newest, note = self._newest(_floor(now), (0,), progress)
        cycles = pd.date_range(end=newest, periods=count, freq=f"{CYCLE_HOURS}h")
        analyses = xr.concat([self._frame(cycle, 0, region, progress) for cycle in cycles], "time")
        hours = pd.date_range(end=newest, periods=hours_back + 1, freq="h", unit="ns")
        fields = linear(analyses, hours)
        source = f"{self.label}, analyses {cycles[0]:%Y-%m-%d %H}Z to {newest:%Y-%m-%d %H}Z, hourly by interpolation"
        fields.attrs = {"source": source + note, "time_interpolation": INTERPOLATION}
        return validate(annotate(fields), hourly=True)

    def forecast(
        self,
        region: Region,
        init: pd.Timestamp | None,
        lead_hours: Sequence[int],
        *,
        progress: Progress | None = None,
    ) -> xr.Dataset:
        """Return the ECMWF's forecast from `init` (the newest cycle if None) in the forecast contract.

        Leads are multiples of 3 hours to 90. Where the cycle is not whole yet the one before is taken: `init_time` is
        its own, and `attrs["source"]` says so. Raises as `latest` does, and InputError for leads and an init time that
        the ECMWF does not have.
        """
        leads = sorted(set(lead_hours))
        wrong = [lead for lead in leads if lead % STEP_HOURS or not 0 < lead <= LONGEST_LEAD_HOURS]
        if wrong or not leads:
            given = f"lead {wrong[0]} h is" if wrong else "no lead is given; leads are"
            raise InputError(f"{given} not among the ECMWF's steps of {STEP_HOURS} to {LONGEST_LEAD_HOURS} h by 3.")
        if init is not None and init != init.floor(f"{CYCLE_HOURS}h"):
            raise InputError(f"init {init} is no cycle of the ECMWF; they are at 00, 06, 12 and 18Z.")
        cycle, note = self._newest(_floor(init), leads[::-1], progress)
        frames = xr.concat([self._frame(cycle, lead, region, progress) for lead in leads], "time")
        dims = ("init_time", "lead_time", *DIMS[1:])
        times = pd.DatetimeIndex(frames["time"].values)
        return xr.Dataset(
            {name: (dims, frames[name].values[None], frames[name].attrs) for name in CORE},
            {
                "init_time": pd.DatetimeIndex([cycle]).as_unit("ns"),
                "lead_time": (times - cycle).as_unit("ns"),
                "latitude": frames["latitude"],
                "longitude": frames["longitude"],
                "valid_time": (dims[:2], times.values[None]),
            },
            {"source": self.label + note, "model": "ecmwf-hres", "Conventions": "CF-1.10"},
        )

    def _newest(self, start: pd.Timestamp, steps: Sequence[int], progress: Progress | None) -> tuple[pd.Timestamp, str]:
        """Fetch the steps of the first cycle from `start` backward that has them all; return it and a note if later
        ones have not.
        """
        late: list[str] = []
        for back in range(CYCLES_BACK + 1):
            cycle = start - pd.Timedelta(hours=CYCLE_HOURS * back)
            try:
                for step in steps:
                    self._store.fetch(cycle, step, progress)
            except Absent:
                late.append(f"{cycle:%Y-%m-%d %H}Z")
                self._status(f"{self.label}: the cycle of {late[-1]} is not there yet; taking the one before")
            else:
                return cycle, f" ({', '.join(late)} not there yet)" if late else ""
        raise InputError(
            f"{self._store.endpoint} has none of the ECMWF's cycles {late[-1]} to {late[0]} with step {max(steps)} h; "
            f"it keeps the last days only. Take a later time, or {ELSEWHERE}."
        )

    def _frame(self, cycle: pd.Timestamp, step: int, region: Region, progress: Progress | None) -> xr.Dataset:
        path = self._store.fetch(cycle, step, progress)
        frame = open_files(path, region=region)
        valid = cycle + pd.Timedelta(hours=step)
        if list(frame.indexes["time"]) != [valid]:
            raise InputError(f"{path} holds {frame.indexes['time'][0]}, not {valid} as its name says; remove it.")
        return frame


def _floor(now: pd.Timestamp | None) -> pd.Timestamp:
    """Return the last cycle at or before `now`, naive UTC."""
    if now is None:
        now = pd.Timestamp(dt.datetime.now(dt.UTC))
    return (now.tz_convert("UTC").tz_localize(None) if now.tz else now).floor(f"{CYCLE_HOURS}h")


def linear(nodes: xr.Dataset, times: pd.DatetimeIndex) -> xr.Dataset:
    """Return fields at `times`, linear between those of `nodes`, which they are bit for bit at the nodes' own times."""
    known = pd.DatetimeIndex(nodes["time"].values)
    after = np.clip(known.searchsorted(times), 1, len(known) - 1)
    shares = (times - known[after - 1]) / (known[after] - known[after - 1])
    weight = np.asarray(shares, np.float32)[:, None, None]
    data = {}
    for name in CORE:
        values = nodes[name].values
        data[name] = (DIMS, (1 - weight) * values[after - 1] + weight * values[after], nodes[name].attrs)
    return xr.Dataset(data, {"time": times, "latitude": nodes["latitude"], "longitude": nodes["longitude"]})
