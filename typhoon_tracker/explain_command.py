"""`typhoon-tracker explain`: what a forecaster attends to, how its layers resemble, and where it is wrong."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from typhoon_tracker.console import hours, progress
from typhoon_tracker.resources import DEFAULT_MODEL

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

    from typhoon_tracker.besttrack.agencies import BestTracks
    from typhoon_tracker.besttrack.storms import Storm

OUTPUT = Path("runs/explain")
LEADS = ["1h", "3h", "6h", "12h"]  # the paper's figure has the first and the last
NO_NAMES: list[str] = []
app = typer.Typer(help=__doc__, no_args_is_help=True)

Storms = Annotated[list[str], typer.Option("--storm", help="name or IBTrACS serial id; may be given several times")]
Season = Annotated[int | None, typer.Option(help="season of the storms; without --storm, all of them in the region")]
Agency = Annotated[str, typer.Option(help="best tracks: wmo (JMA) or jtwc")]
Fields = Annotated[str, typer.Option(help="reconstruction, era5, arco, cds, or a path to files that hold every storm")]
Model = Annotated[str, typer.Option(help="a Met2Net of models/ or its folder")]
Cases = Annotated[int | None, typer.Option(min=1, help="at most so many init times of a storm, spread over its life")]
Out = Annotated[Path, typer.Option(help="folder of the picture and its numbers")]
Json = Annotated[bool, typer.Option("--json", help="print the numbers as JSON and nothing else")]


@app.command()
def attention(
    storm: Storms = NO_NAMES,
    season: Season = None,
    agency: Agency = "wmo",
    fields: Fields = "reconstruction",
    model: Model = DEFAULT_MODEL,
    cases: Cases = None,
    out: Out = OUTPUT,
    json: Json = False,
) -> None:
    """Draw how much each variable attends to each other in the translator, by layer and head (the paper's Figure 8)."""
    from typhoon_tracker import explanation
    from typhoon_tracker.explain.model import explained
    from typhoon_tracker.explain.summaries import attention_summary
    from typhoon_tracker.forecast.checkpoint import find
    from typhoon_tracker.plot.explained import draw_attention

    chosen = explained(find(model))
    best, storms = _storms(storm, season, agency, out)
    with progress() as show:
        result = explanation.attention(chosen, storms, best, source=fields, cases=cases, progress=show)
    title = "Attention, mean over layers and heads: a row is updated, a column attended to"
    _leave(result, attention_summary(result), draw_attention(result), out / "attention", title, json)


@app.command()
def similarity(
    storm: Storms = NO_NAMES,
    season: Season = None,
    agency: Agency = "wmo",
    fields: Fields = "reconstruction",
    model: Model = DEFAULT_MODEL,
    cases: Cases = None,
    out: Out = OUTPUT,
    json: Json = False,
) -> None:
    """Draw linear CKA between layers, and between variables at each layer (the paper's Figure 5)."""
    from typhoon_tracker import explanation
    from typhoon_tracker.explain.model import explained
    from typhoon_tracker.explain.summaries import similarity_summary
    from typhoon_tracker.forecast.checkpoint import find
    from typhoon_tracker.plot.explained import draw_similarity

    chosen = explained(find(model))
    best, storms = _storms(storm, season, agency, out)
    with progress() as show:
        result = explanation.similarity(chosen, storms, best, source=fields, cases=cases, progress=show)
    title = "Linear CKA between variables, layer by layer (E encoder, T translator, D decoder)"
    _leave(result, similarity_summary(result), draw_similarity(result), out / "similarity", title, json)


@app.command()
def errors(
    storm: Storms = NO_NAMES,
    season: Season = None,
    lead: Annotated[list[str], typer.Option(help="lead time such as 6h; may be given several times")] = LEADS,
    region: Annotated[bool, typer.Option("--region", help="over the region rather than around the storm")] = False,
    agency: Agency = "wmo",
    fields: Fields = "reconstruction",
    model: Annotated[str, typer.Option(help="any model of models/, a model folder, or 'persistence'")] = DEFAULT_MODEL,
    cases: Cases = None,
    out: Out = OUTPUT,
    json: Json = False,
) -> None:
    """Draw the mean absolute error of every variable by lead (the paper's Figure 10), beside that of persistence."""
    leads = [hours(one) for one in lead]
    from typhoon_tracker import explanation
    from typhoon_tracker.explain.summaries import error_summary
    from typhoon_tracker.forecast.catalogue import forecaster
    from typhoon_tracker.plot.explained import draw_errors

    chosen = forecaster(model)
    best, storms = _storms(storm, season, agency, out)
    with progress() as show:
        result = explanation.errors(
            chosen, storms, best, leads, centred=not region, source=fields, cases=cases, progress=show
        )
    title = f"Mean absolute error {'over the region' if region else 'within 8 degrees of the storm'}"
    _leave(result, error_summary(result), draw_errors(result), out / "errors", title, json)


def _storms(names: list[str], season: int | None, agency: str, out: Path) -> tuple[BestTracks, list[Storm]]:
    from typhoon_tracker.besttrack import ibtracs
    from typhoon_tracker.explanation import chosen_storms
    from typhoon_tracker.outputs import check_folder

    check_folder(out)
    best = ibtracs.load(agency)
    return best, chosen_storms(names, season, best)


def _leave(result: xr.Dataset, summary: pd.DataFrame, figure: Figure, path: Path, title: str, json: bool) -> None:
    """Write the picture, all numbers (netCDF) and their summary (CSV), and print the summary."""
    from typhoon_tracker.explain.summaries import as_table, provenance
    from typhoon_tracker.plot.explained import save
    from typhoon_tracker.track_files import replacing

    picture, numbers, table = (path.with_suffix(suffix) for suffix in (".png", ".nc", ".csv"))
    content = result.to_netcdf(None, engine="h5netcdf", encoding={name: {"zlib": True} for name in result.data_vars})
    with replacing(numbers) as partial:
        partial.write_bytes(content)
    with replacing(table) as partial:
        summary.to_csv(partial, float_format="%.6g")
    save(figure, picture)
    if json:
        facts = {name: getattr(value, "tolist", lambda value=value: value)() for name, value in result.attrs.items()}
        print(dumps({**facts, "summary": summary.reset_index().to_dict("records")}, indent=1))
        return
    from rich.console import Console

    console = Console()
    console.print(as_table(summary, title=title))
    for line in provenance(result):
        console.print(line, highlight=False, soft_wrap=True)
    names = ", ".join(one.name for one in (picture, numbers, table))
    console.print(f"files   {path.parent}/: {names}", highlight=False, soft_wrap=True)
