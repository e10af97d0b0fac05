"""One UTC day of hourly fields as the bytes of a netCDF file that tells whether it is still what was written."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import typhoon_tracker
from typhoon_tracker.fields.contract import CORE, annotate
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.base import hours
from typhoon_tracker.sources.files import GENERATOR

HOURS = 24
# Behind the end of the HDF5 data, where readers of netCDF do not look: the SHA-256 of everything before it.
SEAL = b"\nsha256:"
_HASH_LETTERS = 64


class Damaged(ValueError):
    """The bytes are not what this module wrote; the message completes a sentence that begins with the file's name."""


def ceiling(region: Region) -> int:
    """Return the bytes a day takes at most: float32 that does not compress, and the file around it."""
    points = region.shape[0] * region.shape[1]
    return HOURS * points * 4 * len(CORE) + (1 << 16)


def encode(fields: xr.Dataset, *, source_name: str) -> bytes:
    """Return a day of contract fields as netCDF-4: float32, deflated without loss, a Fletcher-32 sum on every chunk.

    The file is built in memory, and sealed with a SHA-256 of all its bytes: a sum on chunks alone would miss damage
    to what lies between them, and a value changed by hand.
    """
    kept = fields[list(CORE)].drop_encoding()
    generator = f"{GENERATOR} {typhoon_tracker.__version__}"
    kept.attrs = {"source": fields.attrs["source"], "source_name": source_name, "generator": generator}
    summed: dict[str, Any] = {"fletcher32": True, "_FillValue": None}
    chunk = (HOURS, *(fields.sizes[axis] for axis in ("latitude", "longitude")))
    packed = summed | {"dtype": "float32", "zlib": True, "complevel": 4, "shuffle": True, "chunksizes": chunk}
    encoding: dict[str, Any] = dict.fromkeys(CORE, packed)
    for axis in ("latitude", "longitude"):
        encoding[axis] = summed | {"dtype": "float64", "chunksizes": (fields.sizes[axis],)}
    since = {"dtype": "int64", "units": "hours since 1970-01-01", "calendar": "proleptic_gregorian"}
    encoding["time"] = {"fletcher32": True, "chunksizes": (HOURS,)} | since
    content = bytes(annotate(kept).to_netcdf(None, engine="h5netcdf", encoding=encoding))
    return content + SEAL + hashlib.sha256(content).hexdigest().encode()


def check_seal(content: bytes) -> None:
    """Raise Damaged where the bytes are not whole or not the ones that were written."""
    end = len(content) - len(SEAL) - _HASH_LETTERS
    if end < 0 or content[end : end + len(SEAL)] != SEAL:
        raise Damaged("is cut short or was not written by this cache")
    if hashlib.sha256(content[:end]).hexdigest().encode() != content[end + len(SEAL) :]:
        raise Damaged("has changed since it was written")


@contextlib.contextmanager
def opened(content: bytes, day: dt.date, region: Region, *, source_name: str) -> Iterator[xr.Dataset]:
    """Give the fields in sealed bytes, not yet loaded; raise Damaged where they are not those of that name."""
    check_seal(content)  # first: the HDF5 library may crash on damaged bytes
    try:
        with xr.open_dataset(io.BytesIO(content), engine="h5netcdf") as raw:
            if raw.attrs.get("source_name") != source_name:
                raise Damaged(f"comes from {raw.attrs.get('source_name')}, not from {source_name}")
            mismatch(raw, day, region)
            yield raw
    except (OSError, RuntimeError, KeyError) as exc:
        raise Damaged(f"cannot be read ({str(exc).splitlines()[0]})") from exc


def decode(content: bytes, day: dt.date, region: Region, *, source_name: str) -> xr.Dataset:
    """Return the fields in sealed bytes; raise Damaged where they are not those of that name."""
    with opened(content, day, region, source_name=source_name) as raw:
        fields = raw.load()
    fields.attrs = {"source": fields.attrs["source"]}
    return annotate(fields).drop_encoding()


def mismatch(fields: xr.Dataset, day: dt.date, region: Region) -> None:
    """Raise Damaged where the fields lack a variable, or are not the 24 hours of `day` on the grid of `region`."""
    lacks = [name for name in (*CORE, "time", "latitude", "longitude") if name not in fields.variables]
    if lacks:
        raise Damaged(f"lacks {', '.join(lacks)}")
    times = pd.DatetimeIndex(fields["time"].values)
    if not times.equals(hours(day)):
        begin = f" from {times[0]}" if len(times) else ""
        raise Damaged(f"holds {len(times)} times{begin}, not the 24 hours of {day}")
    for axis in ("latitude", "longitude"):
        have, wanted = fields[axis].values, getattr(region, axis)
        if have.shape != wanted.shape or not np.allclose(have, wanted, rtol=0, atol=1e-3 * region.step):
            raise Damaged(f"has the {axis}s {have[0]:g} to {have[-1]:g} ({len(have)}), not those of {region}")
