"""The verb `fetch`: best tracks, the ERA5 of a storm, and years of ERA5 to train on."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from typhoon_tracker.errors import InputError
from typhoon_tracker.fetch import Archive
from typhoon_tracker.fetch.meter import metered, show

if TYPE_CHECKING:
    import datetime as dt

    from typhoon_tracker.sources.training_store import TrainingSet

EARLIEST_YEAR = 1940  # of ERA5


class Fetchable(StrEnum):
    """What can be fetched by its name alone."""

    BEST_TRACKS = "best-tracks"


def fetch(
    what: Annotated[Fetchable | None, typer.Argument(help="renew the best tracks")] = None,
    storm: Annotated[str | None, typer.Option(help="ERA5 of the days this storm is in the region")] = None,
    season: Annotated[int | None, typer.Option(help="season of the storm; the latest with that name")] = None,
    agency: Annotated[str, typer.Option(help="best tracks: wmo (JMA) or jtwc")] = "wmo",
    years: Annotated[str | None, typer.Option(help="a training set of whole years, such as 2017-2023")] = None,
    source: Annotated[Archive | None, typer.Option(help="archive; ncar for a storm, cds for years")] = None,
    out: Annotated[Path | None, typer.Option(help="Zarr store of the years; in the cache if not given")] = None,
) -> None:
    """Download data once, from then on without a network; what was interrupted goes on where it stopped."""
    if sum(one is not None for one in (what, storm, years)) != 1:
        raise InputError("give one of best-tracks, --storm (such as MAWAR) and --years (such as 2017-2023).")
    if years is None and out is not None:
        raise InputError(f"--out {out} is for --years; what is fetched otherwise goes into the cache.")
    if storm is None and season is not None:
        raise InputError(f"--season {season} is for --storm; give the storm too.")
    if what is Fetchable.BEST_TRACKS:
        from typhoon_tracker.besttrack import download

        print(f"IBTrACS v04r01, western North Pacific: {download.fetch()}")
    elif storm is not None:
        _fetch_storm(storm, season, agency, source or Archive.NCAR)
    elif years is not None:
        _fetch_years(years, source or Archive.CDS, out)


def _fetch_storm(name: str, season: int | None, agency: str, archive: Archive) -> None:
    from rich.console import Console

    from typhoon_tracker.besttrack.storms import find
    from typhoon_tracker.geo.grid import PAPER_REGION
    from typhoon_tracker.hindcast import span_inside
    from typhoon_tracker.sources.cache import Cache, days_of
    from typhoon_tracker.sources.choice import day_source

    storm = find(name, season=season, agency=agency)
    days = days_of(span_inside(storm))
    cache, chosen = Cache(), day_source(archive.value)
    console = Console(highlight=False, soft_wrap=True)
    if storm.note:
        console.print(storm.note)
    console.print(f"{storm}: {len(days)} days, {days[0]} to {days[-1]}, over {PAPER_REGION}")
    missing = list(cache.missing(chosen.name, days, PAPER_REGION))
    with metered(chosen, missing, console) as meter:
        cache.fetch(chosen, days, PAPER_REGION, progress=meter, notice=console.print)
    files = [cache.path(chosen.name, day, PAPER_REGION) for day in days]
    size = sum(path.stat().st_size for path in files)
    facts = {
        "source": chosen.label,
        "days": f"{len(days)} ({len(missing)} fetched, {len(days) - len(missing)} in the cache before)",
        "on disk": f"{size / 1e6:.1f} MB under {files[0].parents[1]}",
    }
    show(console, facts | meter.facts(), title=f"ERA5 of {storm}")


def _fetch_years(text: str, archive: Archive, out: Path | None) -> None:
    from rich.console import Console

    from typhoon_tracker.besttrack.download import cache_folder
    from typhoon_tracker.geo.grid import PAPER_REGION
    from typhoon_tracker.sources.choice import day_source
    from typhoon_tracker.sources.training_set import build, days_left
    from typhoon_tracker.sources.training_store import Order

    span = whole_years(text)
    chosen = day_source(archive.value)
    path = out or cache_folder() / "training" / f"era5-{archive.value}-{text.strip()}.zarr"
    order = Order(chosen.name, *span, PAPER_REGION)
    left = days_left(path, order)
    console = Console(highlight=False, soft_wrap=True)
    size = order.bytes_of(len(order.days)) / 1e9
    console.print(f"{path}: {len(order.days)} days, {len(order.days) - len(left)} of them done; up to {size:.2f} GB")
    with metered(chosen, left, console) as meter:
        made = build(chosen, span, path, region=PAPER_REGION, progress=meter)
    show(console, _facts(made) | meter.facts(), title=f"Training set {order}")


def _facts(made: TrainingSet) -> dict[str, str]:
    from typhoon_tracker.fields.contract import VARIABLES

    windows = ", ".join(f"{count:,} {split}" for split, count in made.order.windows().items())
    errors = {
        f"{name} packed": f"off by {largest:.2g} at most, {rms:.2g} rms {VARIABLES[name].units}"
        for name, (largest, rms) in made.errors.items()
    }
    return {
        "store": f"{made.path}, {made.bytes / 1e9:.2f} GB",
        "frames": f"{made.frames:,} hourly",
        "windows of 24": windows,
        **errors,
        "statistics": str(made.statistics or "none: no training year among these"),
    }


def whole_years(text: str) -> tuple[dt.date, dt.date]:
    """Return the first and last day of "2017-2023" or "2023"; InputError where it is neither."""
    import datetime as dt

    match = re.fullmatch(r"(\d{4})(?:-(\d{4}))?", text.strip())
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not EARLIEST_YEAR <= first <= last < dt.date.today().year:
        raise InputError(
            f"years {text!r} are no whole years from {EARLIEST_YEAR} to {dt.date.today().year - 1}, first to last; "
            "give them such as 2017-2023."
        )
    return dt.date(first, 1, 1), dt.date(last, 12, 31)
