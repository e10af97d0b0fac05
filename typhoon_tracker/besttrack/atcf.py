"""ATCF decks, the tropical cyclone centres' exchange format: read and write b-decks and a-decks.

A line is `BASIN, CY, YYYYMMDDHH, TECHNUM/MIN, TECH, TAU, LAT, LON, VMAX, MSLP, TY, RAD, ...` with latitude and
longitude in tenths of a degree and hemisphere, wind in knots, pressure in hPa; 0 stands for an unknown wind or
pressure. A fix with wind radii takes a line for each of 34, 50 and 64 knots. Source: NRL/NHC, "ATCF Database and File
Format".
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from typhoon_tracker import track
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.sphere import wrap
from typhoon_tracker.track_files import replacing

KNOT = 1852.0 / 3600.0  # m s-1
BASINS = ("WP", "IO", "SH", "CP", "EP", "AL", "SL", "LS")
SOUTHERN = ("SH", "SL", "LS")
BEST = "BEST"
NEEDED_FIELDS = 8  # through LON; older decks end early
TECHNUM = "03"  # objective aids
NO_RADII = "XX,   0,    ,    0,    0,    0,    0,"


def read_deck(path: str | os.PathLike[str], *, technique: str | None = None) -> pd.DataFrame:
    """Return the fixes of an ATCF deck as a track table; `track_id` is the ATCF name, for example WP022023.

    A b-deck (TECH BEST) gives a best track, any other a forecast with `init_time` and `lead_time` of one technique:
    of an a-deck with several, `technique` says which. Winds keep their centre's averaging period. Raises InputError
    for a line that is not ATCF, naming its number, and for a technique that is missing or not said.
    """
    deck = pd.DataFrame([parse(line, f"line {n} of {path}") for n, line in numbered_lines(path)])
    chosen = choose(sorted(deck["technique"].unique()), technique, path)
    deck = _one_line_a_fix(deck[deck["technique"] == chosen])
    columns = {name: deck[name] for name in ("lat", "lon", "msl", "wind")}
    columns |= {"track_id": storm_ids(deck), "time": deck["init_time"] + deck["lead_time"]}
    if chosen != BEST:
        columns |= {"init_time": deck["init_time"], "lead_time": deck["lead_time"]}
    return track.create(**columns)


def write_adeck(table: pd.DataFrame, path: str | os.PathLike[str], *, basin: str, number: int, technique: str) -> Path:
    """Write the forecasts of one storm as an ATCF a-deck and return the path; fixes without a position are left out.

    `basin` is the ATCF one (WP), `number` the storm's in its season (1 to 99), `technique` up to four letters and
    digits. Positions are rounded to 0.1 degree, winds to 1 kt, pressures to 1 hPa. Raises InputError for a table
    without lead times in whole hours, or of several storms.
    """
    check_header(basin, number, technique)
    fixes = check_forecast(track.validate(table)).dropna(subset=["lat", "lon"]).sort_values(["init_time", "lead_time"])
    return _write(fixes, Path(path), line_starts(fixes, basin, number, TECHNUM, technique))


def write_bdeck(table: pd.DataFrame, path: str | os.PathLike[str], *, basin: str, number: int) -> Path:
    """Write the best track of one storm as an ATCF b-deck and return the path, rounded as in `write_adeck`.

    Minutes past the hour stand in their own field. Winds keep their agency's averaging period, which the format does
    not tell: say whose they are in the file's name. Raises InputError for a table of several storms.
    """
    check_header(basin, number, "M2NT")
    _one_storm(track.validate(table), "a b-deck")
    fixes = table.dropna(subset=["lat", "lon"]).sort_values("time")
    hours = fixes.assign(init_time=fixes["time"].dt.floor("h"), lead_time=pd.Timedelta(0))
    minutes = [f"{m:02d}" if m else "  " for m in fixes["time"].dt.minute]
    return _write(fixes, Path(path), line_starts(hours, basin, number, minutes, BEST))


def line_starts(
    fixes: pd.DataFrame, basin: str, number: int, fourth: str | Sequence[str], technique: str
) -> Iterator[str]:
    """Yield the first eight fields of the line of each forecast fix, through LON and its comma."""
    fourths = [fourth] * len(fixes) if isinstance(fourth, str) else fourth
    dates = fixes["init_time"].dt.strftime("%Y%m%d%H")
    taus = fixes["lead_time"].dt.total_seconds() / 3600
    lons = wrap(fixes["lon"], -180.0)
    for date, tau, lat, lon, mark in zip(dates, taus, fixes["lat"], lons, fourths, strict=True):
        place = f"{_tenths(lat, 'NS'):>4}, {_tenths(lon, 'EW'):>5},"
        yield f"{basin}, {number:02d}, {date}, {mark}, {technique:>4}, {tau:3.0f}, {place}"


def _write(fixes: pd.DataFrame, path: Path, starts: Iterator[str]) -> Path:
    rows = zip(starts, fixes["wind"] / KNOT, fixes["msl"] / 100, strict=True)
    with replacing(path) as temporary, temporary.open("w", encoding="ascii") as deck:
        deck.writelines(f"{start} {_whole(wind):3d}, {_whole(msl):4d}, {NO_RADII}\n" for start, wind, msl in rows)
    return path


def numbered_lines(path: str | os.PathLike[str]) -> list[tuple[int, str]]:
    """Return the lines of a deck that are not blank, with their numbers; InputError where there is none."""
    try:
        text = Path(path).read_text(encoding="latin-1")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise InputError(f"{path} holds no line of an ATCF deck.")
    return lines


def parse(line: str, where: str) -> dict[str, object]:
    """Return the first ten fields of a line in SI units; InputError, naming it by `where`, if it is not ATCF."""
    fields = [field.strip() for field in line.split(",")]
    if len(fields) < NEEDED_FIELDS:
        raise InputError(
            f"{where} has {len(fields)} comma-separated fields; an ATCF line has at least {NEEDED_FIELDS}."
        )
    fields += [""] * (10 - len(fields))
    basin, number, date, minutes, technique, tau, lat, lon, wind, pressure = fields[:10]
    try:
        if not re.fullmatch(r"\d{10}", date):
            raise ValueError(f"{date!r} is not a time YYYYMMDDHH")
        init_time = datetime(int(date[:4]), int(date[4:6]), int(date[6:8]), int(date[8:]))
        # Column 4 is the minutes of a best track, but the sorting number of a forecast technique.
        offset = int(minutes) if technique == BEST and minutes else 0
        position = _degrees(lat, "NS"), _degrees(lon, "EW")
        if abs(position[0]) > 90 or abs(position[1]) > 180:
            raise ValueError(f"position {lat}, {lon} is not on Earth")
        lost = position == (0.0, 0.0)  # aids that forecast no track say 0N 0W
        return {
            "basin": basin,
            "number": number,
            "technique": technique,
            "init_time": pd.Timestamp(init_time) + pd.Timedelta(minutes=offset),
            "lead_time": pd.Timedelta(hours=int(tau or 0)),
            "lat": np.nan if lost else position[0],
            "lon": np.nan if lost else position[1],
            "wind": _known(wind) * KNOT,
            "msl": _known(pressure) * 100.0,
            "where": where,
        }
    except ValueError as error:
        raise InputError(f"{where} is not ATCF: {error}.") from error


def _degrees(text: str, hemispheres: str) -> float:
    match = re.fullmatch(rf"(\d{{1,4}})([{hemispheres}])", text)
    if match is None:
        raise ValueError(f"{text!r} is not tenths of a degree and {' or '.join(hemispheres)}")
    return int(match[1]) / 10 * (1 if match[2] == hemispheres[0] else -1)


def _known(text: str) -> float:
    value = float(text or 0)
    return value if value > 0 else np.nan


def choose(techniques: list[str], wanted: str | None, path: object) -> str:
    """Return the technique wanted, or the only one; InputError where that is not clear."""
    if wanted is None and len(techniques) == 1:
        return techniques[0]
    if wanted in techniques:
        return str(wanted)
    said = "none is chosen" if wanted is None else f"{wanted} is not among them"
    raise InputError(f"{path} holds the techniques {', '.join(techniques)} and {said}; name one with technique=.")


def _one_line_a_fix(deck: pd.DataFrame) -> pd.DataFrame:
    """Keep the first line of each fix; the others repeat it for further wind radii."""
    keys = ["basin", "number", "init_time", "lead_time"]
    positions = deck.groupby(keys)[["lat", "lon"]].transform("first")
    moved = (deck[["lat", "lon"]] != positions).any(axis=1) & deck["lat"].notna()
    if moved.any():
        raise InputError(
            f"{deck[moved]['where'].iloc[0]} puts a fix elsewhere than a line before it; correct one of them."
        )
    return deck.drop_duplicates(keys).sort_values(["init_time", "lead_time"], ignore_index=True)


def storm_ids(deck: pd.DataFrame) -> pd.Series:
    """Return basin, number and season of each line: a storm keeps the year it began in (from July in the south)."""
    # Numbers come back every year: after two months of silence it is another storm's.
    gone = deck.groupby(["basin", "number"])["init_time"].diff() > pd.Timedelta(days=60)
    life = gone.groupby([deck["basin"], deck["number"]]).cumsum()
    start = deck.groupby(["basin", "number", life])["init_time"].transform("min")
    season = start.dt.year + (deck["basin"].isin(SOUTHERN) & (start.dt.month >= 7))
    return deck["basin"] + deck["number"] + season.astype(str)


def check_header(basin: str, number: int, technique: str) -> None:
    """Raise InputError for a basin, storm number or technique that no forecast line can hold."""
    if basin not in BASINS:
        raise InputError(f"{basin!r} is not an ATCF basin; the basins are {', '.join(BASINS)}.")
    if not 1 <= number <= 99:
        raise InputError(f"storm number {number} is outside 1 to 99.")
    if not re.fullmatch(r"[A-Z0-9]{1,4}", technique) or technique == BEST:
        raise InputError(f"technique {technique!r} must be 1 to 4 capital letters or digits, and not {BEST}.")


def check_forecast(table: pd.DataFrame) -> pd.DataFrame:
    """Return forecasts of one storm in whole hours unchanged; InputError for any other table."""
    missing = [name for name in track.FORECAST_COLUMNS if name not in table]
    if missing:
        raise InputError(f"an a-deck holds forecasts; the table lacks {', '.join(missing)}.")
    _one_storm(table, "an a-deck")
    seconds = table["lead_time"].dt.total_seconds()
    odd = (seconds % 3600 != 0) | (table["init_time"] != table["init_time"].dt.floor("h"))
    if odd.any():
        i = int(odd.to_numpy().argmax())
        raise InputError(f"ATCF knows whole hours; the table has {table['init_time'].iloc[i]} + {seconds.iloc[i]:g} s.")
    return table


def _one_storm(table: pd.DataFrame, deck: str) -> None:
    storms = table["track_id"].unique()
    if len(storms) > 1:
        raise InputError(f"{deck} holds one storm; the table has {len(storms)}: {', '.join(storms[:3])}, ...")


def _tenths(degrees: float, hemispheres: str) -> str:
    return f"{round(abs(degrees) * 10)}{hemispheres[int(degrees < 0)]}"


def _whole(value: float) -> int:
    return 0 if np.isnan(value) else round(value)
