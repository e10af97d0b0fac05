"""The cache of ERA5 fields: a file for each source, region and UTC day, whole or not there.

It is `<cache>/era5/<source>/<region>/<YYYY>/<YYYYMMDD>.nc`, renamed to this as it arrives, so whatever stops a fetch
leaves whole days behind and the next fetch goes on. Two processes that fetch the same day write the same file twice.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import xarray as xr

from typhoon_tracker.besttrack.download import cache_folder
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE, validate
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.base import DaySource, Progress
from typhoon_tracker.sources.dayfile import Damaged, ceiling, decode, encode, mismatch, opened
from typhoon_tracker.sources.whole import check_room, sweep, write_whole

Span = tuple[pd.Timestamp, pd.Timestamp]
ABSENT = "is not there"
_WAY_OUT = "make room, or set TYPHOON_TRACKER_CACHE to a folder on another disk."
_KEY = re.compile(r"n(-?[\d.]+)_s(-?[\d.]+)_w(-?[\d.]+)_e(-?[\d.]+)_([\d.]+)")


@dataclass(frozen=True)
class Entry:
    """What the cache holds of one source and region."""

    source: str
    region: Region
    days: tuple[dt.date, ...]
    bytes: int


@dataclass(frozen=True)
class Fault:
    """A file of the cache that cannot be used, and why."""

    path: Path
    reason: str


def days_of(span: Span) -> list[dt.date]:
    """Return the UTC days that a closed span of times touches."""
    start, end = map(pd.Timestamp, span)
    if not start <= end:
        raise InputError(f"the span of times begins at {start}, after its end at {end}.")
    return [day.date() for day in pd.date_range(start.normalize(), end.normalize(), freq="D")]


def region_key(region: Region) -> str:
    """Return the name of a region's folder, such as n44_s12.25_w110_e141.75_0.25."""
    edges = zip("nswe", (region.north, region.south, region.west, region.east), strict=True)
    return "_".join([*(f"{letter}{edge:.10g}" for letter, edge in edges), f"{region.step:.10g}"])


class Cache:
    """ERA5 fields on disk; `folder` is the user's cache folder (TYPHOON_TRACKER_CACHE) if not given."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or cache_folder()) / "era5"

    def get(
        self,
        source: DaySource,
        span: Span,
        region: Region,
        *,
        progress: Progress | None = None,
        notice: Callable[[str], object] = warnings.warn,
    ) -> xr.Dataset:
        """Return contract fields from `span[0]` to `span[1]`, fetching the days that are not there (see `fetch`)."""
        self.fetch(source, days_of(span), region, progress=progress, notice=notice)
        return self.read(source.name, span, region)

    def fetch(
        self,
        source: DaySource,
        days: Sequence[dt.date],
        region: Region,
        *,
        progress: Progress | None = None,
        notice: Callable[[str], object] = warnings.warn,
    ) -> list[dt.date]:
        """Fetch the days that are absent or damaged, in order, each kept as it arrives; return those fetched.

        `progress` is told bytes as they arrive; `notice` gets a sentence for every damaged file.
        Raises InputError where the disk has no room, where the source fails or gives something else than was asked.
        """
        faults = self.missing(source.name, days, region)
        for day, reason in faults.items():
            if reason != ABSENT:
                notice(f"{self.path(source.name, day, region)} {reason}; it is fetched again.")
        check_room(self.folder, len(faults) * ceiling(region), f"{len(faults)} days", way_out=_WAY_OUT)
        done = 0
        try:
            arriving = iter(source.days(list(faults), region, progress=progress) if faults else ())
            for day in faults:
                self._keep(next(arriving, None), source.name, day, region)
                done += 1
        except InputError as error:
            kept = f"{done} of {len(faults)} days were fetched and are kept; the same command goes on from there."
            raise InputError(f"{error} {kept}") from error
        return list(faults)

    def read(self, source_name: str, span: Span, region: Region) -> xr.Dataset:
        """Return contract fields from `span[0]` to `span[1]` without a network; InputError for a day that lacks."""
        parts = []
        for day in days_of(span):
            path = self.path(source_name, day, region)
            try:
                parts.append(decode(_content(path), day, region, source_name=source_name))
            except Damaged as fault:
                raise InputError(f"{path} {fault}; fetch {day} from {source_name}.") from fault
        sources = dict.fromkeys(part.attrs["source"] for part in parts)
        fields = xr.concat(parts, "time", data_vars="minimal", coords="minimal", compat="override", join="override")
        fields.attrs = {"Conventions": "CF-1.10", "source": "; ".join(sources)}
        return fields.sel(time=slice(*span))

    def missing(self, source_name: str, days: Sequence[dt.date], region: Region) -> dict[dt.date, str]:
        """Return the days that are absent or damaged, and how."""
        faults = {day: self._fault(source_name, region, day) for day in days}
        return {day: fault for day, fault in faults.items() if fault}

    def path(self, source_name: str, day: dt.date, region: Region) -> Path:
        """Return the file of a day, there or not."""
        return self.folder / source_name / region_key(region) / f"{day:%Y}" / f"{day:%Y%m%d}.nc"

    def entries(self) -> list[Entry]:
        """Return what the cache holds, by source and region; nothing is opened."""
        held: dict[tuple[str, Region], list[tuple[dt.date, int]]] = defaultdict(list)
        for path in sorted(self.folder.glob("*/*/*/*.nc")):
            if (named := self._named(path)) is not None:
                source, region, day = named
                held[source, region].append((day, path.stat().st_size))
        return [
            Entry(source, region, tuple(day for day, _ in files), sum(size for _, size in files))
            for (source, region), files in held.items()
        ]

    def verify(self, *, progress: Callable[[int, int], None] | None = None) -> list[Fault]:
        """Read every file and return those that are damaged or not the cache's own."""
        paths = sorted(self.folder.rglob("*.nc"))
        faults = []
        for done, path in enumerate(paths, start=1):
            named = self._named(path)
            reason = "has a name that the cache does not give" if named is None else self._fault(*named)
            faults += [Fault(path, reason)] if reason else []
            if progress:
                progress(done, len(paths))
        return faults

    def clear(self, source_name: str | None = None) -> tuple[int, int]:
        """Remove the days of one source, or of all; return how many files and bytes. Files not its own stay."""
        files = size = 0
        for path in sorted(self.folder.glob(f"{source_name or '*'}/*/*/*.nc")):
            if self._named(path) is not None:
                files, size = files + 1, size + path.stat().st_size
                path.unlink()
        for path in self.folder.glob(f"{source_name or '*'}/*/*"):
            sweep(path, older_than=0.0)
            for folder in (path, *path.parents[:2]):
                with contextlib.suppress(OSError):  # not empty: something in it is not the cache's own
                    folder.rmdir()
        return files, size

    def _named(self, path: Path) -> tuple[str, Region, dt.date] | None:
        parts = path.relative_to(self.folder).parts
        key = _KEY.fullmatch(parts[1]) if len(parts) == 4 else None
        if key is None:
            return None
        try:
            region, day = Region(*map(float, key.groups())), dt.datetime.strptime(path.stem, "%Y%m%d").date()
        except ValueError:
            return None
        return (parts[0], region, day) if path == self.path(parts[0], day, region) else None

    def _fault(self, source_name: str, region: Region, day: dt.date) -> str:
        try:
            with opened(_content(self.path(source_name, day, region)), day, region, source_name=source_name):
                return ""
        except Damaged as fault:
            return str(fault)

    def _keep(self, fields: xr.Dataset | None, source_name: str, day: dt.date, region: Region) -> None:
        if fields is None:
            raise InputError(f"{source_name} ended before {day}.")
        try:
            mismatch(fields, day, region)
        except Damaged as fault:
            raise InputError(f"what {source_name} gave for {day} {fault}.") from fault
        content = encode(validate(fields, variables=CORE, hourly=True), source_name=source_name)
        path = self.path(source_name, day, region)
        sweep(path.parent)
        write_whole(path, content, way_out=_WAY_OUT)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise Damaged(ABSENT) from None
    except OSError as exc:
        raise Damaged(f"cannot be read ({exc.strerror})") from exc
