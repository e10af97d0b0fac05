"""Which fields `--fields` means: reconstructed ones, one archive of ERA5, or files; never two of them in one."""

from __future__ import annotations

import difflib
import glob
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import xarray as xr

from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.base import DaySource
from typhoon_tracker.sources.cache import Cache, days_of
from typhoon_tracker.sources.files import open_files
from typhoon_tracker.sources.readers import is_url

AUTO, ERA5, RECONSTRUCTION, FILES = "auto", "era5", "reconstruction", "files"
ARCHIVES = ("ncar", "arco", "cds")  # in the order in which `auto` looks for them in the cache
WORDS = (AUTO, RECONSTRUCTION, ERA5, *ARCHIVES)
MEGABYTE = 1_000_000

Span = tuple[pd.Timestamp, pd.Timestamp]
Progress = Callable[[str, int, int], None]  # stage, done, of how many


@dataclass(frozen=True)
class Choice:
    """The fields chosen: RECONSTRUCTION, FILES at `path`, or an archive; and where `auto` chose, how to get others."""

    kind: str
    path: str = ""
    note: str = ""


def choose(fields: str, span: Span, region: Region, *, fetch: str, cache: Cache | None = None) -> Choice:
    """Return what the word or path `fields` means for the times `span` over `region`; no network is asked.

    "auto" is the ERA5 of the cache where it has every day from one archive, else the reconstruction; "era5" is "ncar".
    `fetch` is the command that gets ERA5. Raises InputError for what is neither a word nor there.
    """
    word = fields.strip().lower()
    if word == AUTO:
        return _choose_cached(span, region, fetch, cache or Cache())
    if word == RECONSTRUCTION or word in ARCHIVES:
        return Choice(word)
    if word == ERA5:
        return Choice(ARCHIVES[0])
    if not (is_url(fields) or Path(fields).exists() or glob.has_magic(fields)):
        near = difflib.get_close_matches(word, WORDS, n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise InputError(f"fields {fields!r} are neither {', '.join(WORDS)} nor a path that exists.{meant}")
    return Choice(FILES, path=fields)


def open_chosen(
    choice: Choice, span: Span, region: Region, *, cache: Cache | None = None, progress: Progress | None = None
) -> xr.Dataset:
    """Return contract fields of FILES or of an archive, from the cache and for the days that lack from the network.

    `progress` is told "fetching ERA5, MB", how many, and of about how many. Raises InputError for files that do not
    hold the span, and where an archive cannot be reached.
    """
    if choice.kind == FILES:
        return open_files(choice.path, region=region, times=span)
    cache = cache or Cache()
    missing = list(cache.missing(choice.kind, days_of(span), region))
    if not missing:
        return cache.read(choice.kind, span, region)
    source = day_source(choice.kind)
    expected, arrived = source.estimate(missing, region), 0

    def show(some: int) -> None:
        nonlocal arrived
        arrived += some
        if progress:
            progress("fetching ERA5, MB", arrived // MEGABYTE, max(expected, arrived) // MEGABYTE)

    return cache.get(source, span, region, progress=show)


def day_source(name: str) -> DaySource:
    """Return the archive of that name; raise InputError for a name that is none of ARCHIVES."""
    if name == "ncar":
        from typhoon_tracker.sources.ncar import Ncar

        return Ncar()
    if name == "arco":
        from typhoon_tracker.sources.arco import Arco

        return Arco()
    if name == "cds":
        from typhoon_tracker.sources.cds import Cds

        return Cds()
    raise InputError(f"source {name!r} is not one of {', '.join(ARCHIVES)}.")


def _choose_cached(span: Span, region: Region, fetch: str, cache: Cache) -> Choice:
    days = days_of(span)
    lacking = {archive: len(cache.missing(archive, days, region)) for archive in ARCHIVES}
    fullest = min(ARCHIVES, key=lambda archive: lacking[archive])
    if not lacking[fullest]:
        note = f"fields from ERA5 in the cache ({fullest}); --fields {RECONSTRUCTION} takes reconstructed ones."
        return Choice(fullest, note=note)
    held = len(days) - lacking[fullest]
    where = f"in the cache for {held} of {len(days)} days only" if held else "not in the cache"
    return Choice(RECONSTRUCTION, note=f"fields are reconstructed: ERA5 is {where}; `{fetch}` gets it.")
