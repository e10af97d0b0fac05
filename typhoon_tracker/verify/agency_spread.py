"""How far two agencies' best tracks lie apart: the uncertainty of the truth itself, printed by

python -m typhoon_tracker.verify.agency_spread --seasons 2017 2024
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from typhoon_tracker.besttrack.agencies import BestTracks
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo import sphere
from typhoon_tracker.verify.past import TROPICAL_STORM
from typhoon_tracker.verify.statistics import mean_interval

# Classes of the Japan Meteorological Agency by the first agency's own wind, m s-1.
CLASSES = (("TD", 0.0), ("TS", TROPICAL_STORM), ("STS", 24.5), ("TY", 32.7), ("very strong", 43.7), ("violent", 54.0))


def together(first: BestTracks, second: BestTracks, *, seasons: tuple[int, int] | None = None) -> pd.DataFrame:
    """Return the original fixes that both agencies have of a storm at one time, a row a pair.

    Columns: track_id, time, season, lat, lon, wind, class (the first agency's), apart_km (great circle), msl_apart
    (Pa, second minus first). Winds are not compared: the agencies average over different times. Storms are paired by
    IBTrACS serial id. Raises InputError where no pair is left.
    """
    keys = ["track_id", "time"]
    parts = []
    for tracks in (first, second):
        table = tracks.table[tracks.table["original"].astype(bool)]
        if seasons is not None:
            table = table[table["season"].between(*seasons)]
        parts.append(table[[*keys, "season", "lat", "lon", "msl", "wind"]])
    pairs = parts[0].merge(parts[1].drop(columns="season"), on=keys, suffixes=("", "_other"))
    if pairs.empty:
        span = "" if seasons is None else f" in the seasons {seasons[0]} to {seasons[1]}"
        raise InputError(f"{first.agency} and {second.agency} have no fix of a storm at one time{span}.")
    apart = sphere.distance(pairs["lat"], pairs["lon"], pairs["lat_other"], pairs["lon_other"])
    pairs = pairs.assign(apart_km=apart, msl_apart=pairs["msl_other"] - pairs["msl"])
    edges = [lowest for _, lowest in CLASSES]
    index = np.searchsorted(edges, pairs["wind"].fillna(0.0), side="right") - 1
    pairs["class"] = [CLASSES[i][0] for i in index]
    return pairs.drop(columns=["msl", "msl_other", "lat_other", "lon_other", "wind_other"])


def summary(pairs: pd.DataFrame, *, draws: int = 10_000, seed: int = 0) -> pd.DataFrame:
    """Summarise pairs (from `together`) by class of wind, with TS+ (tropical storm or more) and all.

    Rows are classes; columns: n, storms, mean, median, p90 (km) of the distance, low, high (storm-clustered 95 %
    interval of the mean), msl_mean and msl_std (Pa, second minus first). A fix without a wind counts as TD.
    """
    groups = {name: pairs[pairs["class"] == name] for name, _ in CLASSES}
    groups["TS+"] = pairs[pairs["wind"] >= TROPICAL_STORM]
    groups["all"] = pairs
    rows = {}
    for name, group in groups.items():
        km = group["apart_km"].to_numpy(float)
        low, high = mean_interval(km, group["track_id"], draws=draws, seed=seed)
        median, p90 = np.quantile(km, [0.5, 0.9]) if len(km) else (np.nan, np.nan)
        rows[name] = {
            "n": len(km),
            "storms": group["track_id"].nunique(),
            "mean": km.mean() if len(km) else np.nan,
            "median": median,
            "p90": p90,
            "low": low,
            "high": high,
            "msl_mean": group["msl_apart"].mean(),
            "msl_std": group["msl_apart"].std(),
        }
    return pd.DataFrame(rows).T.astype({"n": int, "storms": int})


def main() -> None:
    """Parse the command line, compare the agencies and print the table."""
    import argparse

    from rich.console import Console

    from typhoon_tracker.besttrack.ibtracs import load
    from typhoon_tracker.verify.tables import agency_table

    parser = argparse.ArgumentParser(description="Compare the best tracks of two agencies at the same times.")
    parser.add_argument("--agencies", nargs=2, default=("jma", "jtwc"), metavar=("FIRST", "SECOND"))
    parser.add_argument("--seasons", nargs=2, type=int, default=(2017, 2024), metavar=("FIRST", "LAST"))
    given = parser.parse_args()
    seasons = (given.seasons[0], given.seasons[1])
    try:
        first, second = (load(name) for name in given.agencies)
        result = summary(together(first, second, seasons=seasons))
    except InputError as error:
        parser.error(str(error))
    title = f"{given.agencies[0].upper()} and {given.agencies[1].upper()} best tracks {seasons[0]}-{seasons[1]}"
    Console().print(agency_table(result, title=title, caption=first.source))


if __name__ == "__main__":
    main()
