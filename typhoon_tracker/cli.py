"""The verbs of `typhoon-tracker`; each parses, calls one function and prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from typhoon_tracker import downscaling, explain_command
from typhoon_tracker.cones import cone
from typhoon_tracker.console import call, counted, progress
from typhoon_tracker.evaluate_command import evaluate
from typhoon_tracker.fetch import cached
from typhoon_tracker.fetch.verbs import fetch
from typhoon_tracker.real_storms.command import real_storms
from typhoon_tracker.run import run
from typhoon_tracker.today import forecast
from typhoon_tracker.tracking import track
from typhoon_tracker.training.train import train
from typhoon_tracker.verify_command import verify

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, help=__doc__)
app.command()(run)
app.command()(forecast)
app.command()(fetch)
app.add_typer(cached.app, name="cache")
app.add_typer(downscaling.app, name="downscale")
app.add_typer(explain_command.app, name="explain")
app.command()(track)
app.command()(verify)
app.command()(evaluate)
app.command()(cone)
app.command()(train)
app.command()(real_storms)


@app.command()
def reconstruct(
    storm: Annotated[str, typer.Option(help="name or IBTrACS serial id")],
    out: Annotated[Path, typer.Option(help="netCDF file to write")],
    season: Annotated[int | None, typer.Option(help="season; by default the latest of that name")] = None,
    agency: Annotated[str, typer.Option(help="best tracks: wmo (JMA) or jtwc")] = "wmo",
) -> None:
    """Write a storm's reconstructed hourly fields as netCDF, laid out as by the Climate Data Store."""
    from typhoon_tracker import hindcast
    from typhoon_tracker.besttrack import ibtracs
    from typhoon_tracker.besttrack.storms import find
    from typhoon_tracker.sources.netcdf import write_cds

    best = ibtracs.load(agency)
    chosen = find(storm, season=season, agency=agency, best=best)
    with progress() as show:
        fields = hindcast.storm_fields(chosen, best, progress=show)
    write_cds(fields, out)
    print(f"{out}: {fields.sizes['time']} hourly frames of {chosen}; {fields.attrs['source']}")


@app.command()
def assess(
    patches: Annotated[Path, typer.Argument(help="netCDF of real ERA5 storm patches")],
    mass: Annotated[str, typer.Option(help="field whose minimum is the storm: z500 or vorticity")] = "z500",
) -> None:
    """Run the tracker over real ERA5 storm patches and compare its fixes with the best track in them."""
    from rich.console import Console

    from typhoon_tracker.sources.patches import open_patches
    from typhoon_tracker.tracker.assess import assess_patches, summary
    from typhoon_tracker.verify.report import assessment

    storms = open_patches(patches)
    with progress() as show:
        result = assess_patches(counted(storms, show, "storms"), mass=mass)
    Console().print(assessment(summary(result), title=f"{len(storms)} storms of {patches.name}, mass field {mass}"))


def main() -> None:
    call(app)


if __name__ == "__main__":
    main()
