"""What a training set is: years of hourly fields in one Zarr store, a variable an array, a day a chunk."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from typhoon_tracker.besttrack.split import LAST_TRAINING_SEASON, VALIDATION_SEASON
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE, DIMS, VARIABLES
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.dayfile import HOURS
from typhoon_tracker.sources.packing import FILL, HIGHEST, scale_and_offset

BYTES_PER_VALUE = 2
WINDOW = 24  # frames of a training window: 12 in, 12 out
SPLITS = {
    "training": range(dt.MINYEAR, LAST_TRAINING_SEASON + 1),
    "validation": range(VALIDATION_SEASON, VALIDATION_SEASON + 1),
    "test": range(VALIDATION_SEASON + 1, dt.MAXYEAR),
}


@dataclass(frozen=True)
class Order:
    """What a training set is made of; a store that was begun for another is not gone on with."""

    source: str
    first: dt.date
    last: dt.date
    region: Region

    @property
    def days(self) -> list[dt.date]:
        return [day.date() for day in pd.date_range(self.first, self.last, freq="D")]

    def bytes_of(self, days: int) -> int:
        """Return how many bytes so many days take at most."""
        return days * HOURS * self.region.shape[0] * self.region.shape[1] * len(CORE) * BYTES_PER_VALUE

    def windows(self) -> dict[str, int]:
        """Return how many windows of 24 frames, an hour apart, lie whole within each split of the years."""
        counts = {}
        for split, years in SPLITS.items():
            frames = HOURS * sum(years.start <= day.year < years.stop for day in self.days)
            counts[split] = max(0, frames - WINDOW + 1)
        return counts

    def __str__(self) -> str:
        return f"{self.first} to {self.last} from {self.source} over {self.region}"

    def record(self) -> dict[str, Any]:
        """Return the order as JSON holds it."""
        return {**asdict(self), "first": str(self.first), "last": str(self.last)}


@dataclass(frozen=True)
class TrainingSet:
    """A whole training set: its store, how many frames it has, what packing cost, and where the statistics are."""

    path: Path
    order: Order
    frames: int
    bytes: int
    errors: dict[str, tuple[float, float]]  # largest and rms by variable, SI units
    statistics: Path | None  # None without a training year


def check_zarr() -> None:
    """Raise InputError where the library that writes the store is not installed."""
    try:
        import zarr  # noqa: F401
    except ImportError as exc:
        raise InputError(f"a training set needs Zarr ({exc}); pip install 'typhoon-tracker[era5]'.") from exc


def describe(path: Path, order: Order | None = None) -> TrainingSet:
    """Return what a whole training set holds; raise InputError where it is none, or of another `order`."""
    import zarr

    try:
        group = zarr.open_group(path, mode="r")
        record: Any = group.attrs["training_set"]
        held = read_order(record)
        errors = {name: tuple(group[name].attrs[f"packing_{kind}_error"] for kind in ("max", "rms")) for name in CORE}
    except (OSError, KeyError, ValueError, TypeError) as exc:
        raise InputError(f"{path} is there and is no training set of this program; choose another name.") from exc
    if order is not None and held != order:
        raise InputError(f"{path} holds {held}, not {order}; choose another name.")
    beside = statistics_path(path)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    frames = len(held.days) * HOURS
    return TrainingSet(path, held, frames, size, errors, beside if beside.exists() else None)  # type: ignore[arg-type]


def statistics_path(path: Path) -> Path:
    """Return where the statistics of a training set stand."""
    return path.with_suffix(".statistics.json")


def lay_out(path: Path, order: Order) -> None:
    """Create the arrays over all the time of the order; what is not written yet is missing values."""
    import zarr
    from zarr.codecs import BloscCodec, Crc32cCodec

    group = zarr.create_group(path, zarr_format=3)
    hours = (np.arange(len(order.days) * HOURS) + _epoch_hours(order.days[0])).astype(np.int64)
    axes: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
        "time": (hours, {"units": "hours since 1970-01-01", "calendar": "proleptic_gregorian"}),
        "latitude": (order.region.latitude, {"units": "degrees_north"}),
        "longitude": (order.region.longitude, {"units": "degrees_east"}),
    }
    for name, (values, attrs) in axes.items():
        attrs = {"standard_name": name, **attrs}
        group.create_array(name, data=values, chunks=values.shape, dimension_names=(name,), attributes=attrs)
    for name in CORE:
        scale, offset = scale_and_offset(name)
        known = VARIABLES[name]
        group.create_array(
            name,
            shape=(len(hours), *order.region.shape),
            chunks=(HOURS, *order.region.shape),
            dtype="int16",
            # Twice as fast to read as Zstandard; the sum finds what a disk has changed.
            compressors=(BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle", typesize=2), Crc32cCodec()),
            fill_value=FILL,
            dimension_names=DIMS,
            attributes={
                "units": known.units,
                "standard_name": known.standard_name,
                "scale_factor": scale,
                "add_offset": offset,
                "_FillValue": FILL,
                "valid_min": -HIGHEST,
                "valid_max": HIGHEST,
            },
        )


def _epoch_hours(day: dt.date) -> int:
    return (day - dt.date(1970, 1, 1)).days * HOURS


def read_order(record: dict[str, Any]) -> Order:
    """Return the order that `Order.record` gave."""
    first, last = (dt.date.fromisoformat(record[key]) for key in ("first", "last"))
    return Order(record["source"], first, last, Region(**record["region"]))
