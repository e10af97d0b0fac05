"""`typhoon-tracker cone`: fit a model's error cone on one season and see what it holds of another."""

from __future__ import annotations

from dataclasses import dataclass
from json import dumps
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from typhoon_tracker.besttrack.split import VALIDATION_SEASON
from typhoon_tracker.console import hours, progress
from typhoon_tracker.errors import InputError
from typhoon_tracker.resources import DEFAULT_MODEL

if TYPE_CHECKING:
    import pandas as pd

    from typhoon_tracker.verify.cone import Cone

LONGEST = "24h"
NO_LEADS: list[str] = []


@dataclass(frozen=True, eq=False)
class Fitted:
    """A cone, what it held of another season, and where it was written."""

    cone: Cone
    covered: pd.DataFrame  # from `verify.cone.coverage`
    test_season: int
    seen: bool  # the model saw the test season, in training or in the choice of its weights
    path: Path


def cone(
    model: Annotated[str, typer.Option(help="a model of models/, a model folder, or 'persistence'")] = DEFAULT_MODEL,
    fit_season: Annotated[int, typer.Option(help="season whose errors make the cone")] = VALIDATION_SEASON,
    test_season: Annotated[int, typer.Option(help="season the cone is tried on")] = VALIDATION_SEASON + 1,
    lead: Annotated[
        list[str], typer.Option(help=f"lead such as 6h, several times; 1h to {LONGEST} if none")
    ] = NO_LEADS,
    agency: Annotated[str, typer.Option(help="best tracks: wmo (JMA) or jtwc")] = "wmo",
    precision: Annotated[str, typer.Option(help="fp32, bf16, or auto: the faster one, measured")] = "fp32",
    out: Annotated[Path | None, typer.Option(help="JSON file; cone.json in the model's folder if not given")] = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON and nothing else")] = False,
) -> None:
    """Fit a model's error cone (radii that hold 67 % and 90 % of its errors) and try it on another season."""
    leads = [hours(one) for one in lead] or list(range(1, hours(LONGEST) + 1))
    with progress() as show:
        fitted = fit(
            model, (fit_season, test_season), leads, agency=agency, precision=precision, out=out, progress=show
        )
    if json:
        print(dumps(as_json(fitted), indent=1))
        return
    from rich.console import Console

    from typhoon_tracker.verify.tables import coverage_table

    about = fitted.cone
    title = f"Error cone of {about.model}: fitted to {about.season}, tried on {test_season}"
    console = Console()
    console.print(coverage_table(fitted.covered, title=title))
    said = (
        f"fitted   {min(about.n)} to {max(about.n)} errors a lead, of up to {max(about.storms)} storms; "
        f"{sum(about.lost)} forecasts lost the storm and have no cone\n"
        f"fields   {about.fields}\nmodel    {about.model}\ntruth    {about.agency}\nfile     {fitted.path}"
    )
    if fitted.seen:
        console.print(f"{about.model} has seen the season {test_season} in training: this is no test of the cone.")
    console.print(said, highlight=False, soft_wrap=True)


def fit(
    model: str,
    seasons: tuple[int, int],
    leads: list[int],
    *,
    agency: str,
    precision: str = "fp32",
    out: Path | None = None,
    progress: Any,
) -> Fitted:
    """Fit a model's cone to the first season, write it, and try it on the second.

    Raises InputError where the seasons are one, where a model without a folder is given no file, and for what
    `season.verify` and `Cone.fit` refuse; nothing is written then.
    """
    from typhoon_tracker import season as whole
    from typhoon_tracker.besttrack import ibtracs
    from typhoon_tracker.forecast.catalogue import forecaster
    from typhoon_tracker.sources.reconstruction import SOURCE
    from typhoon_tracker.verify.cone import FILE, WEIGHTS, Cone, checksum, coverage

    if seasons[0] == seasons[1]:
        raise InputError(f"a cone fitted to {seasons[0]} cannot be tried on {seasons[0]}; give another --test-season.")
    folder = _folder(model)
    if folder is None and out is None:
        raise InputError(f"{model!r} has no folder to keep a cone in; say where with --out.")
    best = ibtracs.load(agency)
    chosen = forecaster(model, precision=precision)
    digest = "" if folder is None else checksum(folder / WEIGHTS)
    errors = [whole.verify(one, best, chosen, leads, progress=progress) for one in seasons]
    about: dict[str, Any] = {"agency": best.source, "fields": SOURCE, "model": chosen.name, "weights_sha256": digest}
    made = Cone.fit(errors[0], season=seasons[0], **about)
    covered = coverage(made, errors[1])
    path = out if out is not None else Path(folder or ".") / FILE
    return Fitted(made, covered, seasons[1], seasons[1] in chosen.seasons_seen, made.save(path))


def as_json(fitted: Fitted) -> dict[str, Any]:
    """Return the cone's radii and its coverage as plain data, km to 0.1 and shares to 0.001, None for no number."""
    import pandas as pd

    rows = []
    for row in fitted.covered.to_dict("records"):
        lead = None if pd.isna(row["lead_time"]) else row["lead_time"] / pd.Timedelta(hours=1)
        shares = {name: _rounded(row[name], 3) for name in ("inside", "low", "high")}
        counts = {"n": row["n"], "storms": row["storms"], "radius_km": _rounded(row["radius_km"], 1)}
        rows.append({"lead_hours": lead, "level": row["level"], **counts, **shares})
    cone = fitted.cone
    about = {"model": cone.model, "agency": cone.agency, "fields": cone.fields, "weights_sha256": cone.weights_sha256}
    seasons = {
        "test_season_seen": fitted.seen,
        "fit_season": cone.season,
        "test_season": fitted.test_season,
        "file": str(fitted.path),
    }
    return {**about, **seasons, "coverage": rows}


def _folder(model: str) -> Path | None:
    if model == "persistence":
        return None
    from typhoon_tracker.forecast.checkpoint import find

    return find(model)


def _rounded(value: float, digits: int) -> float | None:
    return None if isnan(value) else round(value, digits)
