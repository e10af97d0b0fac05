"""Read IBTrACS v04r01 as NCEI publishes it: CSV with a row of units, netCDF, and the light CSV of merged columns."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from typhoon_tracker import track
from typhoon_tracker.besttrack.agencies import HECTOPASCAL, KNOT, Agency, agency_named
from typhoon_tracker.besttrack.shipped import names
from typhoon_tracker.errors import InputError

QUANTITIES = ("LAT", "LON", "WIND", "PRES")
_MERGED = {"LAT": "LAT", "LON": "LON", "WIND": "WMO_WIND", "PRES": "WMO_PRES"}
_OPTIONAL = ("SEASON", "NAME", "TRACK_TYPE", "IFLAG")
_UNNAMED = ("UNNAMED", "NOT_NAMED", "NOT NAMED")
_SYNOPTIC = (0, 6, 12, 18)


def read(path: Path, agency: str = "wmo", *, provisional: bool = False) -> pd.DataFrame:
    """Return the fixes of one agency from an IBTrACS file in the track contract, SI units, sorted by storm and time.

    Only positions of that agency are taken (`TOKYO_*`, `USA_*`, `CMA_*`, `HKO_*`). The light layout has merged
    columns only: there JMA's rows are those between 100E and 180 with a WMO wind or pressure. Spur tracks are left
    out; provisional ones too unless `provisional`. `original` is False where IFLAG says that position or intensity
    was interpolated, and off 00/06/12/18 UTC where it says nothing.

    Raises InputError where the file is missing, is not IBTrACS, or lacks a column of the agency.
    """
    who = agency_named(agency)
    if not path.is_file():
        raise InputError(f"there is no best-track file {path}.")
    raw, columns = (_netcdf if path.suffix == ".nc" else _csv)(path, who)
    raw = raw[_wanted_tracks(raw, provisional=provisional)].drop_duplicates()
    number = {quantity: _numbers(raw, column, path) for quantity, column in columns.items()}
    time = pd.to_datetime(raw["ISO_TIME"], format="%Y-%m-%d %H:%M:%S", errors="coerce")
    if time.isna().any():
        raise InputError(
            f"{path} has the time {raw['ISO_TIME'][time.isna()].iloc[0]!r}, which is not YYYY-MM-DD hh:mm:ss."
        )
    fixes = pd.DataFrame(
        {
            "track_id": raw["SID"],
            "time": time,
            "lat": number["LAT"],
            "lon": number["LON"],
            "msl": number["PRES"].where(number["PRES"] > 0) * HECTOPASCAL,
            "wind": number["WIND"].where(number["WIND"] > 0) * KNOT,
            "season": pd.to_numeric(raw["SEASON"] if "SEASON" in raw else raw["SID"].str[:4]).astype(int),
            "name": _names(raw),
            "original": _original(raw, time, who),
            "status": raw[who.status].replace(dict(who.grades)) if who.status in raw else "",
        }
    )
    fixes = fixes[fixes["lat"].notna() & fixes["lon"].notna()]
    if columns == _MERGED:
        own = (fixes["wind"].notna() | fixes["msl"].notna()) & (fixes["lon"] > 100) & (fixes["lon"] < 180)
        fixes = fixes[own]
    if fixes.empty:
        raise InputError(f"{path} holds no fix of {who.title} on a main track.")
    fixes = fixes.sort_values(["track_id", "time"], ignore_index=True)
    return track.create(**{str(name): fixes[name] for name in fixes})


def _columns(available: Iterable[str], who: Agency, path: Path) -> dict[str, str]:
    """Return the column of each quantity; refuse a file that lacks one."""
    present = set(available)
    if not {"SID", "ISO_TIME"} <= present:
        raise InputError(f"{path} is not an IBTrACS file: it has no column SID and ISO_TIME.")
    light = not any(name.endswith("_LAT") for name in present)
    columns = _MERGED if light and who.name == "wmo" else {quantity: who.column(quantity) for quantity in QUANTITIES}
    missing = [column for column in columns.values() if column not in present]
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(missing)}, which the best tracks of {who.name!r} need; "
            "ask for another agency or take the full IBTrACS file."
        )
    return columns


def _csv(path: Path, who: Agency) -> tuple[pd.DataFrame, dict[str, str]]:
    try:
        header = pd.read_csv(path, nrows=0).columns
        columns = _columns(header, who, path)
        wanted = {"SID", "ISO_TIME", *columns.values(), *_OPTIONAL, who.status}
        raw = pd.read_csv(path, usecols=lambda name: name in wanted, dtype=str, keep_default_na=False)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path} is not an IBTrACS CSV file: {error}.") from error
    raw = raw.apply(lambda column: column.str.strip())
    return raw[raw["SID"] != ""].reset_index(drop=True), columns  # the row of units has no SID


def _netcdf(path: Path, who: Agency) -> tuple[pd.DataFrame, dict[str, str]]:
    import xarray as xr

    try:
        storms = xr.open_dataset(path, engine="h5netcdf", decode_times=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a netCDF file: {error}.") from error
    with storms:
        columns = _columns([str(name).upper() for name in storms.variables], who, path)
        latitude = storms[columns["LAT"].lower()].values  # (storm, date_time)
        given = np.isfinite(latitude)
        wanted = ("SID", "ISO_TIME", *columns.values(), *_OPTIONAL, who.status)
        raw = {}
        for name in wanted:
            if name.lower() in storms:
                values = storms[name.lower()].values
                values = values[:, None] if values.ndim == 1 else values
                raw[name] = _text(np.broadcast_to(values, given.shape)[given])
    return pd.DataFrame(raw), columns


def _text(values: np.ndarray) -> np.ndarray:
    """Return netCDF values as a CSV would hold them: text stripped, whole numbers without a dot."""
    if values.dtype.kind in "SU":
        return np.char.strip(np.char.decode(values) if values.dtype.kind == "S" else values).astype(object)
    if values.dtype.kind in "iu":
        return values.astype(str).astype(object)
    return np.array([f"{value:.7g}" if np.isfinite(value) else "" for value in values], object)


def _numbers(raw: pd.DataFrame, column: str, path: Path) -> pd.Series:
    number = pd.to_numeric(raw[column], errors="coerce")
    bad = number.isna() & (raw[column] != "")
    if bad.any():
        raise InputError(f"{path} has {raw[column][bad].iloc[0]!r} in column {column}, which is not a number.")
    return number


def _wanted_tracks(raw: pd.DataFrame, *, provisional: bool) -> pd.Series:
    """Tell which rows are on a main track, or on a provisional one where asked (US-PROVISIONAL included)."""
    if "TRACK_TYPE" not in raw:
        return pd.Series(True, index=raw.index)
    kind = raw["TRACK_TYPE"].str.lower()
    wanted = ~kind.str.contains("spur")
    return wanted if provisional else wanted & ~kind.str.contains("provisional")


def _names(raw: pd.DataFrame) -> pd.Series:
    if "NAME" not in raw:
        return raw["SID"].map(names()).fillna("")
    return raw["NAME"].mask(raw["NAME"].isin(_UNNAMED), "")


def _original(raw: pd.DataFrame, time: pd.Series, who: Agency) -> pd.Series:
    """O and V are the agency's position and intensity, P and I are not; without a flag synoptic rows count as such."""
    synoptic = time.dt.hour.isin(_SYNOPTIC) & (time.dt.minute == 0) & (time.dt.second == 0)
    if "IFLAG" not in raw:
        return synoptic
    flag = raw["IFLAG"].str[who.flag].fillna("")
    return flag.isin(["O", "V"]) | (synoptic & ~flag.isin(["P", "I"]))
