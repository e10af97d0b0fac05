"""ATCF e-decks: with what probability a storm lies within what distance of a forecast position.

A line is `BASIN, CY, YYYYMMDDHH, TR, TECH, TAU, LAT, LON, PROB, RADIUS, TY, DIR, WINDCODE, RCROSS, RALONG, BCROSS,
BALONG,` with the probability in percent and distances in nautical miles: the radius of the circle, then the radii
across and along the track and the biases of an ellipse, 0 where a circle is all there is. Other formats of probability
(IN, RI, WD, PR, GN, GS) are left alone. Source: NRL, "ATCF Database and File Format", e-deck, as NOAA's AWIPS writes it
(`BaseEDeckRecord`): `AL, 14, 2016093012, TR, GPCC, 12, 135N, 719W, 68, 36, , 0, , 0, 0, 0, 0,`.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from typhoon_tracker.besttrack import atcf
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.sphere import wrap
from typhoon_tracker.track_files import replacing

NAUTICAL_MILE = 1.852  # km
TRACK = ("TR", "03")  # how a track probability is marked; 03 in old decks
NEEDED_FIELDS = 10  # through RADIUS
LONGEST_RADIUS = 2000  # nautical miles
NO_ELLIPSE = ",   0,    ,    0,    0,    0,    0,"


def read_edeck(path: str | os.PathLike[str], *, technique: str | None = None) -> pd.DataFrame:
    """Return the track probabilities of an e-deck, a row a line.

    Columns: track_id (the ATCF name, for example WP022023), init_time, lead_time, time, lat, lon, probability (0 to 1)
    and radius (km). Of several techniques `technique` says which. Raises InputError for a line that is not of an
    e-deck, naming its number, where no line is a track probability, and for a technique that is missing or not said.
    """
    rows = []
    for number, line in atcf.numbered_lines(path):
        where = f"line {number} of {path}"
        fields = [field.strip() for field in line.split(",")]
        if len(fields) < NEEDED_FIELDS:
            raise InputError(
                f"{where} has {len(fields)} comma-separated fields; an e-deck's has {NEEDED_FIELDS} or more."
            )
        if fields[3].upper() in TRACK:
            rows.append(atcf.parse(",".join([*fields[:8], "0", "0"]), where) | _circle(fields, where))
    if not rows:
        raise InputError(f"{path} holds no track probability (TR) of an e-deck.")
    deck = pd.DataFrame(rows)
    chosen = atcf.choose(sorted(deck["technique"].unique()), technique, path)
    deck = deck[deck["technique"] == chosen].reset_index(drop=True)
    deck = deck.assign(track_id=atcf.storm_ids(deck), lon=wrap(deck["lon"]), time=deck["init_time"] + deck["lead_time"])
    columns = ["track_id", "init_time", "lead_time", "time", "lat", "lon", "probability", "radius"]
    return deck[columns].sort_values(["init_time", "lead_time", "probability"], ignore_index=True)


def write_edeck(table: pd.DataFrame, path: str | os.PathLike[str], *, basin: str, number: int, technique: str) -> Path:
    """Write the probabilities of one storm's forecasts as an e-deck and return the path.

    `table` holds forecast fixes with `probability` (0 to 1) and `radius` (km), a row each; header as in `write_adeck`.
    Probabilities are rounded to 1 percent, radii up to the next nautical mile, positions to 0.1 degree. Raises
    InputError for a probability or a radius the format cannot hold, and as `write_adeck` does.
    """
    path = Path(path)
    atcf.check_header(basin, number, technique)
    missing = [name for name in ("probability", "radius") if name not in table]
    if missing:
        raise InputError(f"an e-deck holds probabilities; the table lacks {', '.join(missing)}.")
    atcf.check_forecast(table)
    known = table.dropna(subset=["lat", "lon", "radius"]).sort_values(["init_time", "lead_time", "probability"])
    exact = known["radius"].to_numpy(float) / NAUTICAL_MILE
    # Not a whole mile more for what the conversion adds in the last digit.
    miles = np.where(exact > 0, np.ceil(exact - 1e-6), exact)
    percent = 100 * known["probability"].to_numpy(float)
    for values, limit, name in ((percent, 100, "probability of {:g} %"), (miles, LONGEST_RADIUS, "radius of {:g} nm")):
        odd = ~((values >= 0) & (values <= limit))
        if odd.any():
            raise InputError(f"a {name.format(values[odd][0])} has no place in an e-deck, which holds 0 to {limit}.")
    lines = zip(atcf.line_starts(known, basin, number, "TR", technique), percent, miles, strict=True)
    with replacing(path) as temporary, temporary.open("w", encoding="ascii") as deck:
        deck.writelines(f"{start} {p:3.0f}, {nm:4.0f},   {NO_ELLIPSE}\n" for start, p, nm in lines)
    return path


def _circle(fields: list[str], where: str) -> dict[str, object]:
    try:
        return {"probability": float(fields[8]) / 100, "radius": float(fields[9]) * NAUTICAL_MILE}
    except ValueError as error:
        raise InputError(f"{where} is not of an e-deck: {error}.") from error
