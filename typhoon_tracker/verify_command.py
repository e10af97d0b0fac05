"""`typhoon-tracker verify`: a season hindcast, every method on the same cases, in tables, JSON and pictures."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from typhoon_tracker.console import hours, progress
from typhoon_tracker.resources import DEFAULT_MODEL

if TYPE_CHECKING:
    import pandas as pd

    from typhoon_tracker.besttrack.agencies import BestTracks

TRUTH_SEASONS = 8  # the latest, over which the agencies' own disagreement is taken


def verify(
    season: Annotated[int, typer.Option(help="season to hindcast; 2023 was never seen in training")],
    lead: Annotated[list[str], typer.Option(help="lead time such as 6h; may be given several times")],
    agency: Annotated[str, typer.Option(help="best tracks: wmo (JMA) or jtwc")] = "wmo",
    fields: Annotated[
        str, typer.Option(help="reconstruction, era5, arco, cds, or a path to files that hold every storm")
    ] = "reconstruction",
    model: Annotated[str, typer.Option(help="a model of models/, a model folder, or 'persistence'")] = DEFAULT_MODEL,
    precision: Annotated[str, typer.Option(help="fp32, bf16, or auto: the faster one, measured")] = "fp32",
    storms: Annotated[bool, typer.Option("--storms", help="print a table of the single storms too")] = False,
    out: Annotated[Path | None, typer.Option(help="folder for all errors (CSV) and two pictures")] = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON and nothing else")] = False,
) -> None:
    """Hindcast all storms of a season and compare the model with every baseline on the same cases."""
    import pandas as pd
    from rich.console import Console

    from typhoon_tracker import season as whole
    from typhoon_tracker.besttrack import ibtracs
    from typhoon_tracker.forecast.catalogue import forecaster
    from typhoon_tracker.outputs import check_folder
    from typhoon_tracker.verify.breakdown import by_storm, components, intensity
    from typhoon_tracker.verify.report import table
    from typhoon_tracker.verify.statistics import compare, summary
    from typhoon_tracker.verify.tables import comparison, component_table, intensity_table, storm_table

    best = ibtracs.load(agency)
    chosen = forecaster(model, precision=precision)
    if out is not None:
        check_folder(out)
    with progress() as show:
        errors = whole.verify(season, best, chosen, [hours(one) for one in lead], source=fields, progress=show)
    said = f"fields  {fields}\nmodel   {chosen.name}\ntruth   {best.source}"
    if out is not None:
        _save(errors, out, season, best, said.replace("\n", "; "))
    if json:
        print(dumps(whole.as_json(errors), indent=1))
        return
    console = Console()
    count = errors["track_id"].nunique()
    title = f"Season {season}: {count} storms in the region at tropical-storm strength"
    console.print(table(summary(errors), title=title))
    against = pd.concat([compare(errors, reference=name) for name in whole.REFERENCES], ignore_index=True)
    ours = against[against["method"].isin(whole.OURS)]
    console.print(comparison(ours, title="The model against the simple forecasts"))
    console.print(component_table(components(errors), title="Along and across the best track's motion"))
    console.print(intensity_table(intensity(errors), title="Intensity"))
    if storms:
        console.print(storm_table(by_storm(errors), title="Storm by storm"))
    if season in chosen.seasons_seen:
        note = f"{chosen.name} has seen the season {season} in training: these errors are no test of it."
        console.print(note, highlight=False, soft_wrap=True)
    console.print(said, highlight=False, soft_wrap=True)


def _save(errors: pd.DataFrame, folder: Path, season: int, best: BestTracks, said: str) -> None:
    """Write errors.csv, growth.png (error against lead) and storms.png (storm by storm at the longest lead)."""
    from typhoon_tracker.besttrack import ibtracs
    from typhoon_tracker.besttrack.storms import season_storms
    from typhoon_tracker.plot.growth import draw_growth, draw_storms
    from typhoon_tracker.plot.track_map import save
    from typhoon_tracker.track_files import replacing
    from typhoon_tracker.verify import agency_spread
    from typhoon_tracker.verify.breakdown import by_storm
    from typhoon_tracker.verify.statistics import summary

    lead_hours = errors["lead_time"].dt.total_seconds() / 3600
    with replacing(folder / "errors.csv") as partial:
        errors.assign(lead_hours=lead_hours).drop(columns="lead_time").to_csv(partial, index=False, float_format="%.4f")
    last = int(best.table["season"].max())
    pairs = agency_spread.together(ibtracs.load("wmo"), ibtracs.load("jtwc"), seasons=(last - TRUTH_SEASONS + 1, last))
    apart = float(agency_spread.summary(pairs)["mean"]["TS+"])
    growth = draw_growth(
        summary(errors),
        title=f"Track error of season {season}",
        subtitle=said,
        truth_km=(apart, f"JMA from JTWC, {apart:.0f} km"),
    )
    save(growth, folder / "growth")
    names = {storm.sid: storm.name or storm.sid for storm in season_storms(season, best.agency, best=best)}
    longest = float(lead_hours.max())
    single = draw_storms(
        by_storm(errors),
        title=f"Storms of {season}, {longest:g} h",
        subtitle=said,
        lead_hours=longest,
        names=names,
    )
    save(single, folder / "storms")
