"""Windows of ERA5 that follow the storms of a season, each on its own moving grid, with the best track beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from typhoon_tracker.errors import InputError
from typhoon_tracker.sources.readers import open_raw, short_name

FIELDS = ("u10", "v10", "z500")
RECORD = ("storm", "time", "origin_lat", "origin_lon", "bt_lat", "bt_lon", "bt_pressure", "bt_wind")

# Classes of the CMA by 2-minute wind, m s-1: class, lowest wind.
CLASSES = {"TD": 0.0, "TS": 17.2, "STS": 24.5, "TY": 32.7, "STY": 41.5}


@dataclass(frozen=True, eq=False)
class Patch:
    """One storm at one time: fields (latitude, longitude) in m s-1 and m, and the best track in degrees, Pa, m s-1.

    Latitude runs north to south, longitude eastward, both in degrees.
    """

    storm: str
    time: pd.Timestamp
    latitude: np.ndarray
    longitude: np.ndarray
    u10: np.ndarray
    v10: np.ndarray
    z500: np.ndarray
    bt_lat: float
    bt_lon: float
    bt_msl: float
    bt_wind: float


@dataclass(frozen=True, eq=False)
class StormPatches:
    """The patches of one storm in time order; iterating reads them from the file, one storm in memory at a time."""

    name: str
    path: Path
    times: pd.DatetimeIndex
    records: np.ndarray  # where in the file the patches lie, in the order of `times`

    def __len__(self) -> int:
        return len(self.times)

    def __iter__(self) -> Iterator[Patch]:
        with open_raw(str(self.path), FIELDS) as (raws, _):
            raw = raws[0].isel(record=self.records).load()
        fields = {name: raw[name].transpose("record", "dlat", "dlon").values.astype(np.float32) for name in FIELDS}
        for i, time in enumerate(self.times):
            record = {name: round(float(raw[name].values[i]), 4) for name in RECORD if name not in ("storm", "time")}
            yield Patch(
                storm=self.name,
                time=time,
                latitude=record["origin_lat"] + raw["dlat"].values.astype(float),
                longitude=record["origin_lon"] + raw["dlon"].values.astype(float),
                **{name: values[i] for name, values in fields.items()},
                bt_lat=record["bt_lat"],
                bt_lon=record["bt_lon"],
                bt_msl=record["bt_pressure"] * 100.0,
                bt_wind=record["bt_wind"],
            )


def open_patches(path: str | Path) -> list[StormPatches]:
    """Return the storms of a storm-patch file in the order they lie in it, each an iterator of its patches.

    The file has `u10`, `v10` (m s-1) and `z500` (m) with dimensions (record, dlat, dlon), where latitude =
    origin_lat + dlat and longitude = origin_lon + dlon, and for each record the storm's name, time, and best-track
    centre, pressure (hPa) and wind (m s-1). Raises InputError for a path that is missing, damaged or something else.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist.")
    with open_raw(str(path), FIELDS) as (raws, _):
        if not raws:
            raise InputError(f"{path} holds no storm patches.")
        raw = raws[0]
        _check(raw, short_name(path))
        names, times = raw["storm"].values.astype(str), pd.DatetimeIndex(raw["time"].values)
    storms = []
    for name in dict.fromkeys(names.tolist()):
        records = np.flatnonzero(names == name)
        records = records[np.argsort(times[records].values, kind="stable")]
        storms.append(StormPatches(name, path, times[records], records))
    return storms


def name_class(wind: float) -> str:
    """Return the CMA class of a 2-minute wind in m s-1."""
    return [name for name, lowest in CLASSES.items() if wind >= lowest][-1]


def _check(raw: xr.Dataset, where: str) -> None:
    absent = [name for name in (*FIELDS, *RECORD, "dlat", "dlon") if name not in raw.variables]
    if absent:
        held = ", ".join(map(str, raw.variables))
        raise InputError(f"{where} is not a storm-patch file: it lacks {', '.join(absent)}; it holds {held}.")
    for name in FIELDS:
        if set(raw[name].dims) != {"record", "dlat", "dlon"}:
            raise InputError(f"{name} in {where} has dimensions {raw[name].dims}; (record, dlat, dlon) are needed.")
    if raw["time"].dtype.kind != "M":
        raise InputError(f"the times of {where} are no dates but {raw['time'].dtype}.")
