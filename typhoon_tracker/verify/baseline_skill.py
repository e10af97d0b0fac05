r"""Errors of the baselines on real best tracks: the figures a model must beat, printed by

python -m typhoon_tracker.verify.baseline_skill --agency jma --seasons 2022 2024 --leads 6h 12h 24h

Persistence of 12 h of motion and CLIPER on the whole basin, as others report them, and two storms of it:

python -m typhoon_tracker.verify.baseline_skill --agency jtwc --basin --seasons 2017 2024 --last-fitted 2016 \
    --history 12 --leads 24h 48h 72h --storms MAWAR DOKSURI
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from typhoon_tracker.besttrack.split import LAST_TRAINING_SEASON
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.grid import PAPER_REGION, Region
from typhoon_tracker.verify import baselines
from typhoon_tracker.verify.baselines import HISTORY
from typhoon_tracker.verify.cliper import Cliper
from typhoon_tracker.verify.errors import cases, score

BASIN = Region(north=60.0, south=0.0, west=95.0, east=190.0)


def baseline_errors(
    best_tracks: pd.DataFrame,
    leads: Sequence[pd.Timedelta | str],
    *,
    seasons: tuple[int, int],
    last_fitted: int = LAST_TRAINING_SEASON,
    region: Region = PAPER_REGION,
    history: float = HISTORY,
) -> pd.DataFrame:
    """Score persistence, a storm that stands still and CLIPER on all scored cases of `seasons` (first, last).

    Init times are the original fixes of the best track; `history` is the hours of motion that persist. Returns errors
    as `score` does, one method below another.
    Raises InputError where CLIPER was fitted to a season that is scored, or no case is left.
    """
    if last_fitted >= seasons[0]:
        raise InputError(
            f"CLIPER fitted up to {last_fitted} has seen season {seasons[0]}; fit up to {seasons[0] - 1} or earlier."
        )
    clipers = Cliper.fit_all(best_tracks, leads=leads, last_season=last_fitted)
    parts = []
    wanted = best_tracks["original"].astype(bool) & best_tracks["season"].between(*seasons)
    for _, track in best_tracks[wanted].groupby("track_id"):
        forecasts = _forecasts(track, clipers, region, history)
        parts += [score(forecast, track, method=method) for method, forecast in forecasts.items() if len(forecast)]
    if not parts:
        raise InputError(f"no forecast of the seasons {seasons[0]} to {seasons[1]} is to be scored in {region}.")
    return pd.concat(parts, ignore_index=True)


def _forecasts(track: pd.DataFrame, clipers: list[Cliper], region: Region, history: float) -> dict[str, pd.DataFrame]:
    """Return the forecasts of all scored cases of one storm, all leads, for each method."""
    inits = pd.DatetimeIndex(track["time"]).as_unit("ns")
    made: dict[str, list[pd.DataFrame]] = {"persistence": [], "cliper": [], "stationary": []}
    for cliper in clipers:
        scored = inits[cases(track, region, inits, cliper.lead)["scored"].to_numpy()]
        made["persistence"].append(baselines.persistence(track, scored, cliper.lead, history=history))
        made["cliper"].append(cliper.predict(track, scored))
        made["stationary"].append(baselines.stationary(track, scored, cliper.lead))
    return {method: pd.concat(tables, ignore_index=True) for method, tables in made.items()}


def main() -> None:
    """Parse the command line, score the baselines and print the table."""
    import argparse

    from rich.console import Console

    from typhoon_tracker.besttrack.ibtracs import load
    from typhoon_tracker.besttrack.storms import find
    from typhoon_tracker.verify.breakdown import by_storm
    from typhoon_tracker.verify.report import table
    from typhoon_tracker.verify.statistics import summary
    from typhoon_tracker.verify.tables import storm_table

    parser = argparse.ArgumentParser(description="Score persistence and CLIPER on best tracks.")
    parser.add_argument("--agency", default="wmo", help="whose best tracks")
    parser.add_argument("--seasons", nargs=2, type=int, default=(2022, 2024), metavar=("FIRST", "LAST"))
    parser.add_argument("--last-fitted", type=int, default=LAST_TRAINING_SEASON, help="last season of the fit")
    parser.add_argument("--leads", nargs="+", default=["3h", "6h", "12h", "24h", "48h", "72h"])
    parser.add_argument("--basin", action="store_true", help="the whole western North Pacific, not the paper's region")
    parser.add_argument("--history", type=float, default=HISTORY, help="hours of past motion that persist")
    parser.add_argument("--storms", nargs="*", default=(), help="print these storms of the last season that has them")
    given = parser.parse_args()
    seasons = (given.seasons[0], given.seasons[1])
    region = BASIN if given.basin else PAPER_REGION
    try:
        best = load(given.agency)
        fit: dict[str, Any] = {"seasons": seasons, "last_fitted": given.last_fitted, "region": region}
        errors = baseline_errors(best.table, given.leads, history=given.history, **fit)
        named = {find(name, agency=given.agency, best=best).sid: name for name in given.storms}
    except InputError as error:
        parser.error(str(error))
    title = f"Track errors {seasons[0]}-{seasons[1]}, {region}"
    console = Console()
    console.print(table(summary(errors), title=title, caption=best.source))
    if named:
        some = by_storm(errors[errors["track_id"].isin(named)])
        console.print(storm_table(some.assign(track_id=some["track_id"].map(named)), title="Storm by storm"))


if __name__ == "__main__":
    main()
