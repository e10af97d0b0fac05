"""The verbs `cache list`, `cache verify` and `cache clear`: the ERA5 fields on this disk."""

from __future__ import annotations

from typing import Annotated

import typer

from typhoon_tracker.console import progress
from typhoon_tracker.fetch import Archive

app = typer.Typer(no_args_is_help=True, help="Show, verify or clear the cache of ERA5 fields.")
DAMAGED = 1  # exit code of `verify`


@app.command("list")
def list_entries() -> None:
    """Show what the cache holds: source, region, days and size."""
    from rich.console import Console
    from rich.table import Table

    from typhoon_tracker.sources.cache import Cache

    cache = Cache()
    entries = cache.entries()
    if not entries:
        print(f"{cache.folder} holds no fields.")
        return
    table = Table("source", "region", "days", "first", "last", "MB", title=str(cache.folder), title_justify="left")
    for entry in entries:
        span = (str(entry.days[0]), str(entry.days[-1]))
        table.add_row(entry.source, str(entry.region), str(len(entry.days)), *span, f"{entry.bytes / 1e6:.1f}")
    Console(highlight=False).print(table)


@app.command()
def verify() -> None:
    """Read every file of the cache; exit code 1 where one is damaged."""
    from typhoon_tracker.sources.cache import Cache

    cache = Cache()
    with progress() as show:
        faults = cache.verify(progress=lambda done, total: show("verifying", done, total))
    for fault in faults:
        print(f"{fault.path} {fault.reason}")
    days = sum(len(entry.days) for entry in cache.entries())
    if faults:
        print(f"{len(faults)} of {days} files are damaged; the next fetch of their days replaces them.")
        raise typer.Exit(DAMAGED)
    print(f"{days} days in {cache.folder} are whole.")


@app.command()
def clear(
    source: Annotated[Archive | None, typer.Option(help="all of them if not given")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Remove the fields of one source, or of all; best tracks and training sets stay."""
    from typhoon_tracker.sources.cache import Cache

    cache = Cache()
    entries = [entry for entry in cache.entries() if source in (None, entry.source)]
    size = sum(entry.bytes for entry in entries) / 1e6
    if not entries:
        print(f"{cache.folder} holds no fields{f' of {source}' if source else ''}.")
        return
    if not yes:
        days = sum(len(entry.days) for entry in entries)
        typer.confirm(f"remove {days} days, {size:.1f} MB, from {cache.folder}?", abort=True)
    files, freed = cache.clear(source)
    print(f"removed {files} days, {freed / 1e6:.1f} MB")
