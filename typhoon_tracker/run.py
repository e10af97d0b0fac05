"""The main job: forecast one storm, score the forecasts, draw the map.

python -m typhoon_tracker.run --storm MAWAR --lead 3h
"""

from __future__ import annotations

import time
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from typhoon_tracker.console import call, hours, progress, times
from typhoon_tracker.resources import DEFAULT_MODEL

app = typer.Typer(add_completion=False, rich_markup_mode=None)
OUTPUT = Path("tracks/forecast")


@app.command()
def run(
    storm: Annotated[str, typer.Option(help="name or IBTrACS serial id of the storm, any case")],
    lead: Annotated[str, typer.Option(help="lead time in hours, such as 3h; up to 72h")] = "3h",
    season: Annotated[
        int | None, typer.Option(help="season of the storm; the latest with that name if not given")
    ] = None,
    agency: Annotated[str, typer.Option(help="whose best track is the truth: wmo (JMA) or jtwc")] = "wmo",
    fields: Annotated[
        str,
        typer.Option(
            help="auto (cached ERA5, else reconstruction), reconstruction, era5, arco, cds, or a path to files"
        ),
    ] = "auto",
    model: Annotated[str, typer.Option(help="a model of models/, a model folder, or 'persistence'")] = DEFAULT_MODEL,
    precision: Annotated[str, typer.Option(help="fp32, bf16, or auto: the faster one, measured")] = "fp32",
    init: Annotated[
        str | None, typer.Option(help="forecast from this time alone (such as 2023-05-27T00), every lead")
    ] = None,
    downscale: Annotated[
        int | None, typer.Option(help="refine the storm's surroundings by 2, 4 or 8, and fix the centre there too")
    ] = None,
    downscaler: Annotated[
        str, typer.Option(help="what refines: a folder of `downscale train`, or an interpolation")
    ] = "bicubic+additive",
    out: Annotated[
        Path | None, typer.Option(help=f"folder of the outputs; {OUTPUT}/STORM-SEASON/... if not given")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print the summary as JSON and nothing else")] = False,
) -> None:
    """Forecast a storm from every allowed init time at one lead (or from one init time at every lead) and score it."""
    began = time.perf_counter()
    lead_hours = hours(lead)
    from typhoon_tracker import hindcast, outputs
    from typhoon_tracker.besttrack import ibtracs
    from typhoon_tracker.besttrack.storms import find, season_storms
    from typhoon_tracker.forecast.base import check_leads
    from typhoon_tracker.forecast.catalogue import forecaster as named

    best = ibtracs.load(agency)
    chosen = find(storm, season=season, agency=agency, best=best)
    forecaster = named(model, precision=precision)
    check_leads([lead_hours])
    refining = None
    if downscale is not None:
        from typhoon_tracker.downscale import along_track

        refining = along_track.Refining(downscale, downscaler)
    start = None if init is None else times(init)
    label = f"{chosen.name or chosen.sid}-{chosen.season}"
    if start is None:
        kind, aim = f"lead-{lead_hours:02d}h", f"forecasts {lead_hours} h ahead"
    else:
        kind, aim = f"init-{start[0]:%Y%m%d%H}", f"forecast from {start[0]:%Y-%m-%d %H}Z"
    folder = out or OUTPUT / label / kind
    outputs.check_folder(folder)
    with progress() as show:
        analysed = hindcast.analyse(
            chosen, best, source=fields, frames_in=forecaster.frames_in, horizon=forecaster.horizon_hours, progress=show
        )
        leads = [lead_hours] if start is None else list(range(1, max(lead_hours, forecaster.horizon_hours) + 1))
        if refining is not None:
            forecaster = watched = along_track.Watched(forecaster, leads)
        result = hindcast.run(analysed, best, forecaster, leads, init_times=start, progress=show)
        refined = (
            None
            if refining is None
            else refining.refine(watched, result.errors, storm=label.replace("-", " "), progress=show)
        )
    cone = outputs.fitting_cone(forecaster, analysed.fields)
    facts = outputs.summarise(result, lead_hours=lead_hours)
    if refined is not None:
        facts["downscaled"] = refined.facts
    order = [one.sid for one in season_storms(chosen.season, agency, best=best)].index(chosen.sid)
    outputs.write(
        result,
        facts,
        folder,
        lead_hours=lead_hours,
        atcf_number=min(order + 1, 99),
        title=f"{label.replace('-', ' ')}: {aim}",
        whole=start is not None,
        began=began,
        cone=cone,
        refined=refined,
    )
    if json:
        print(dumps(facts, indent=1))
        return
    from rich.console import Console

    console = Console()
    if chosen.note:
        console.print(chosen.note)
    outputs.show(console, result, facts, folder, cone=cone)
    for line in () if refined is None else refined.lines():
        console.print(line, highlight=False, soft_wrap=True)


def main() -> None:
    call(app)


if __name__ == "__main__":
    main()
