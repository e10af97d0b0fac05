"""The best tracks in force: a file the user names, the one fetched from NCEI, or those that ship with the project."""

from __future__ import annotations

from pathlib import Path

from typhoon_tracker.besttrack import download, ncei, shipped
from typhoon_tracker.besttrack.agencies import BestTracks, agency_named


def load(agency: str = "wmo", *, path: str | Path | None = None, provisional: bool = False) -> BestTracks:
    """Return the best tracks of one agency: from `path`, else from the NCEI file in the cache, else the shipped ones.

    `wmo` is JMA (10-minute wind), `jtwc` 1-minute, `cma` 2-minute, `hko` 10-minute; agencies are never mixed and winds
    never converted between averaging times. `provisional` takes provisional tracks of an NCEI file too.
    Raises InputError where the agency or the file cannot be used.
    """
    who = agency_named(agency)
    if path is None:
        cached = download.cached()
        if cached is None:
            return shipped.load(who.name)
        table = ncei.read(cached, who.name, provisional=provisional)
        origin = download.provenance(cached)
    else:
        table = ncei.read(Path(path), who.name, provisional=provisional)
        origin = f"IBTrACS file {Path(path).name}"
    years = f"{table['season'].min()}-{table['season'].max()}"
    return BestTracks(table, who.name, f"{who.title} best tracks ({who.minutes}-minute wind) {years} from {origin}.")
