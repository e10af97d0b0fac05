"""Every storm in fields on disk: `typhoon-tracker track`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from typhoon_tracker.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

WRITERS = (".csv", ".geojson", ".gpkg")


def track(
    fields: Annotated[str, typer.Argument(help="netCDF, GRIB or Zarr, a URL or a pattern such as 'era5_*.nc'")],
    out: Annotated[Path, typer.Option(help="file of the tracks: .csv, .geojson or .gpkg")],
    preset: Annotated[str, typer.Option(help="what counts as a storm: default, tempest or weak")] = "default",
    workers: Annotated[int, typer.Option(help="processes to share the frames among")] = 1,
    cluster: Annotated[str | None, typer.Option(help="address of a dask cluster instead")] = None,
) -> None:
    """Find all storms in fields, regional or global, and write their tracks."""
    from rich.console import Console

    from typhoon_tracker.console import progress
    from typhoon_tracker.tracker.parallel import track_files
    from typhoon_tracker.tracker.settings import preset as named

    if out.suffix not in WRITERS:
        raise InputError(f"the tracks cannot be written to {out}: its name must end with {', '.join(WRITERS)}.")
    settings = named(preset)
    with progress() as show:
        storms = track_files(fields, settings=settings, workers=workers, cluster=cluster, progress=show)
    write(storms, out)
    console = Console()
    console.print(table(storms, title=f"{storms['track_id'].nunique()} storms in {Path(fields).name}"))
    console.print(f"files   {out}", highlight=False, soft_wrap=True)


def write(storms: pd.DataFrame, path: Path) -> None:
    """Write a track table in the format its name ends with."""
    from typhoon_tracker import track_files

    by_suffix = (track_files.write_csv, track_files.write_geojson, track_files.write_geopackage)
    dict(zip(WRITERS, by_suffix, strict=True))[path.suffix](storms, path)


def table(storms: pd.DataFrame, *, title: str) -> Table:
    """Return the storms of a track table, a row each: id, first and last fix, how many, and how strong and how sure.

    Deepest MSL in hPa, strongest wind in m/s, and the median of what the fixes give as their error in km.
    """
    from rich.table import Table

    shown = Table(title=title, caption="first and last fix; deepest, strongest; ±, the median error of a fix")
    for head in ("id", "time, UTC", "place"):
        shown.add_column(head)
    for head in ("fixes", "hPa", "m/s", "± km"):
        shown.add_column(head, justify="right")
    for name, fixes in storms.groupby("track_id"):
        ends = [fixes.iloc[0], fixes.iloc[-1]]
        numbers = (fixes["msl"].min() / 100, fixes["wind"].max(), fixes["fix_error"].median())
        shown.add_row(
            str(name),
            "\n".join(f"{end['time']:%Y-%m-%d %H:%M}" for end in ends),
            "\n".join(_place(end) for end in ends),
            str(len(fixes)),
            *("-" if number != number else f"{number:.1f}" for number in numbers),
        )
    return shown


def _place(fix: pd.Series) -> str:
    lon = (fix["lon"] + 180.0) % 360.0 - 180.0
    return f"{abs(fix['lat']):4.1f}{'S' if fix['lat'] < 0 else 'N'} {abs(lon):5.1f}{'W' if lon < 0 else 'E'}"
