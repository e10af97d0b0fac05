"""`typhoon-tracker evaluate`: scores of the forecast fields, in the form of the Met2Net paper's table."""

from __future__ import annotations

from json import dumps
from typing import Annotated

import typer

from typhoon_tracker.console import hours, progress
from typhoon_tracker.errors import InputError
from typhoon_tracker.resources import DEFAULT_MODEL


def evaluate(
    lead: Annotated[list[str], typer.Option(help="lead time such as 6h; may be given several times")],
    season: Annotated[
        int | None, typer.Option(help="season whose storms are reconstructed; 2023 was never seen in training")
    ] = None,
    fields: Annotated[
        str | None, typer.Option(help="path to hourly netCDF, GRIB or Zarr that holds the paper's region")
    ] = None,
    agency: Annotated[str, typer.Option(help="best tracks: wmo (JMA) or jtwc")] = "wmo",
    model: Annotated[str, typer.Option(help="a model of models/, a model folder, or 'persistence'")] = DEFAULT_MODEL,
    precision: Annotated[str, typer.Option(help="fp32, bf16, or auto: the faster one, measured")] = "fp32",
    area_weights: Annotated[
        bool, typer.Option("--area-weights", help="weigh grid points by cos(latitude); the paper does not")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="print JSON and nothing else")] = False,
) -> None:
    """Score forecast fields (MSE, MAE, R2, ACC, PCC) against the fields, beside persistence on the same cases."""
    if (season is None) == (fields is None):
        raise InputError("evaluate needs either --season, such as --season 2023, or --fields with a path.")
    leads = [hours(one) for one in lead]
    from rich.console import Console

    from typhoon_tracker import evaluation
    from typhoon_tracker.besttrack import ibtracs
    from typhoon_tracker.forecast.catalogue import forecaster
    from typhoon_tracker.verify.field_report import field_table, lead_label, scores_as_json

    chosen = forecaster(model, precision=precision)
    with progress() as show:
        if season is not None:
            result = evaluation.of_season(season, ibtracs.load(agency), chosen, leads, progress=show)
        else:
            result = evaluation.of_files(str(fields), chosen, leads, progress=show)
    scores = result.table(area_weights=area_weights)
    seen = sorted(result.years & set(chosen.seasons_seen))
    weights = "cos(latitude)" if area_weights else "none: every grid point counts the same"
    source = "; ".join(result.sources)
    if json:
        facts = {"fields": source, "model": chosen.name, "weights": weights, "years_seen_in_training": seen}
        print(dumps({**facts, "scores": scores_as_json(scores)}, indent=1))
        return
    console = Console()
    title = f"Season {season}" if season is not None else str(fields)
    for _, part in scores.groupby("lead_time", sort=True, dropna=False):
        heading = f"{title}: {lead_label(part['lead_time'].iloc[0])}, {part['n'].iloc[0]} cases"
        console.print(field_table(part, title=heading))
    if seen:
        years = ", ".join(map(str, seen))
        note = f"{chosen.name} has seen {years} in training: these scores are no test of it."
        console.print(note, highlight=False, soft_wrap=True)
    said = (
        f"fields   {source}\nmodel    {chosen.name}\nweights  {weights}\nACC      against the mean truth of these cases"
    )
    console.print(said, highlight=False, soft_wrap=True)
