"""ERA5 from the Climate Data Store: cropped by the server, queued there, fetched with the user's own key."""

from __future__ import annotations

import datetime as dt
import glob
import os
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from typhoon_tracker.besttrack.download import cache_folder
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE, validate
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.base import Progress, check_days, hours
from typhoon_tracker.sources.cds_job import VARIABLES, Job, read_json
from typhoon_tracker.sources.cds_store import PATIENCE, STORE, Failed, Gone, Status, Store, TooLarge
from typhoon_tracker.sources.files import open_files
from typhoon_tracker.sources.readers import open_raw
from typhoon_tracker.sources.retry import Patience

STEP = 0.25  # degrees, ERA5's own grid there
BYTES_PER_VALUE = 4 * 0.47  # float32 deflated: tests/benchmarks/test_era5_bytes.py prints it for real ERA5
IN_FLIGHT = 4  # requests queued at once: the store makes one while another is fetched


def say(sentence: str) -> None:
    """Write a sentence on stderr."""
    print(sentence, file=sys.stderr, flush=True)


class Cds:
    """ERA5 by the Climate Data Store's API.

    `folder` (in the user's cache if not given) holds what makes a call go on where another was killed: the ids of the
    queued requests and the parts fetched. The key and URL are those of ~/.cdsapirc or CDSAPI_KEY and CDSAPI_URL unless
    given. `status` is told what becomes of the requests.
    """

    name = "cds"
    label = "ERA5 (Copernicus Climate Data Store)"

    def __init__(
        self,
        folder: Path | None = None,
        *,
        url: str | None = None,
        key: str | None = None,
        patience: Patience = PATIENCE,
        status: Status = say,
    ) -> None:
        self.folder = folder or cache_folder() / "cds"
        self._status = status
        self._store = Store(url=url, key=key, patience=patience, status=status)

    def estimate(self, days: Sequence[dt.date], region: Region) -> int:
        """Return about how many bytes the days of a region take to fetch."""
        return round(len(days) * 24 * len(VARIABLES) * region.shape[0] * region.shape[1] * BYTES_PER_VALUE)

    def days(
        self, days: Sequence[dt.date], region: Region, *, progress: Progress | None = None
    ) -> Iterator[xr.Dataset]:
        """Yield one contract Dataset of 24 hourly frames per UTC day, in order; `progress` is told the bytes arriving.

        A month is a request; it stays queued where this process ends, and the next call goes on with it. Its file is
        kept until its last day has been taken. Preliminary hours (ERA5T) are counted in `attrs["source"]`. Raises
        InputError for a region off ERA5's grid, a day without ERA5, a missing or refused key, a licence not accepted,
        and a request the store refuses or fails; NetworkError where it stays out of reach.
        """
        _check(check_days(days), region)
        waiting = self._jobs(days, region)
        while waiting:
            self._queue(waiting)
            job = waiting.pop(0)
            self._fetch(job, progress or (lambda arrived: None))
            for day in job.wanted[:-1]:
                yield self._read(job, day)
            last = self._read(job, job.wanted[-1])
            try:
                yield last
            finally:  # whoever counts the days does not come back for more after the last
                job.forget()

    def _jobs(self, days: Sequence[dt.date], region: Region) -> list[Job]:
        """Return a job for each month's days; for days that a former call asked for, and did not take, that one's."""
        url = self._store.url
        former = []
        for state in sorted(self.folder.glob("era5_cds_*.json")):
            asked = tuple(map(dt.date.fromisoformat, read_json(state).get("days", ())))
            if asked and (job := Job(asked, asked, region, self.folder, url)).state == state:
                former.append(job)
        jobs = []
        for month, group in groupby(days, key=lambda day: (day.year, day.month, _holder(former, day))):
            wanted, holder = tuple(group), month[2]
            jobs.append(Job(former[holder].days if holder >= 0 else wanted, wanted, region, self.folder, url))
        return jobs

    def _queue(self, waiting: list[Job]) -> None:
        """Submit the first requests that are not submitted yet; one too large becomes two."""
        place = 0
        while place < min(IN_FLIGHT, len(waiting)):
            job = waiting[place]
            try:
                self._submit(job)
                place += 1
            except TooLarge:
                if len(job.days) == 1:
                    raise
                waiting[place : place + 1] = job.halves()

    def _submit(self, job: Job) -> None:
        if job.path.exists() or job.known.get("request_id"):
            return
        request_id = self._store.submit(job.request)
        submitted = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
        job.remember(request_id=request_id, submitted=submitted, days=list(map(str, job.days)))
        self._status(f"{job}: submitted as request {request_id}")

    def _fetch(self, job: Job, progress: Progress) -> None:
        for last_chance in (False, True):
            if job.path.exists():
                return
            try:
                self._submit(job)
                url, size = self._store.wait(job.known["request_id"], str(job))
                if job.known.get("location") != (location := url.split("?")[0]):
                    job.part.unlink(missing_ok=True)
                    job.remember(location=location)
                self._store.download(url, size, job.part, progress)
                os.replace(job.part, job.path)
            except Failed:
                job.forget()
                raise
            except Gone:
                lost = job.known.get("request_id")
                job.forget()
                if last_chance:
                    raise
                self._status(f"{job}: {STORE} knows request {lost} no more; asking anew")

    def _read(self, job: Job, day: dt.date) -> xr.Dataset:
        times = hours(day)
        try:
            path = job.readable()
            fields = open_files(path, region=job.region, times=(times[0], times[-1]))
            if len(fields["time"]) < len(times):
                have = f"{len(fields['time'])} of {len(times)} hours of {day}"
                raise InputError(f"ERA5 has {have} so far; it appears about five days after the day.")
            preliminary = _preliminary_hours(path, times)
        except InputError:
            job.forget()  # damaged or not whole yet: what another call fetches may be better
            raise
        note = f", {preliminary} of {len(times)} hours preliminary (ERA5T)" if preliminary else ""
        return validate(fields.assign_attrs(source=self.label + note), hourly=True)


def _holder(jobs: Sequence[Job], day: dt.date) -> int:
    return next((i for i, job in enumerate(jobs) if day in job.days), -1)


def _check(days: Sequence[dt.date], region: Region) -> None:
    edges = np.array([region.north, region.south, region.west, region.east]) / STEP
    if region.step != STEP or np.abs(edges - np.round(edges)).max() > 1e-6:
        raise InputError(
            f"the region {region} is not on ERA5's grid; its edges and step must be multiples of {STEP} deg."
        )
    late = [day for day in days if day > dt.datetime.now(dt.UTC).date()]
    if late:
        raise InputError(f"ERA5 has no {late[0]} yet; it appears about five days after the day.")


def _preliminary_hours(path: str, times: pd.Index) -> int:
    """Count the hours whose experiment version is 0005, ERA5T; in the old layout, where it is an axis, 0001's gaps."""
    for file in sorted(glob.glob(path)) or [path]:
        with open_raw(file, CORE) as (raws, _):
            for raw in raws:
                if "expver" not in raw.variables or "msl" not in raw:
                    continue
                when = "valid_time" if "valid_time" in raw.dims else "time"
                day = raw.sel({when: times})
                if "expver" in day["msl"].dims:
                    final = day["msl"].sel(expver=[v for v in day["expver"].values if int(v) == 1])
                    return int(np.isnan(final.transpose(when, ...).values).reshape(len(times), -1).all(1).sum())
                return int((np.broadcast_to(day["expver"].values, len(times)).astype(str) == "0005").sum())
    return 0
