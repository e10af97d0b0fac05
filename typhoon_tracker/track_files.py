"""Track tables on disk: CSV, GeoJSON and GeoPackage, each read back as the same table.

Times are UTC and ISO 8601. A lead time, in memory a Timedelta, is in a file the column `lead_time_hours`. Columns
behind those of the contract ride along with the type their values show, a blank text as unknown. Files are written
whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
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
