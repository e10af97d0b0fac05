"""Open netCDF, GRIB and Zarr, told apart by their first bytes, as lazy Datasets in the file's own words."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from typhoon_tracker.errors import InputError
from typhoon_tracker.sources.names import ALIASES

HDF5, GRIB, ZIP = b"\x89HDF", b"GRIB", b"PK\x03\x04"
NETCDF3 = (b"CDF\x01", b"CDF\x02")
GRIB_SUFFIXES = (".grib", ".grib1", ".grib2", ".grb", ".grb2")
ZARR_MARKS = ("zarr.json", ".zgroup", ".zmetadata")


@contextlib.contextmanager
def readable(name: str) -> Iterator[None]:
    """Turn whatever a library raises while it reads the file `name` into one InputError."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except ImportError as exc:
        raise InputError(
            f"{name} needs a library that is missing ({exc}); pip install 'typhoon-tracker[era5]'."
        ) from exc
    except Exception as exc:  # each format has its own zoo of exceptions for a damaged file
        reason = (str(exc).strip() or type(exc).__name__).splitlines()[0]
        raise InputError(f"{name} cannot be read; it is damaged or cut short ({reason}).") from exc


def is_url(path: str | Path) -> bool:
    """Tell whether `path` is an fsspec URL such as `s3://bucket/store.zarr` and no path on disk."""
    return "://" in str(path)


def short_name(path: str | Path) -> str:
    """Return the last part of a path or URL, the name by which a file is quoted."""
    return str(path).rstrip("/").rsplit("/", 1)[-1]


@contextlib.contextmanager
def open_raw(path: str, wanted: Sequence[str]) -> Iterator[tuple[list[xr.Dataset], list[str]]]:
    """Give the lazy Datasets of one file or store and the names of all it holds; closed on leaving.

    From GRIB only the contract names `wanted` are opened, a Dataset for each combination of times and levels.
    """
    with contextlib.ExitStack() as stack:
        with readable(short_name(path)):
            raws, holds = _open(path, wanted, stack)
        for raw in raws:
            stack.callback(raw.close)
        yield raws, holds


def _open(path: str, wanted: Sequence[str], stack: contextlib.ExitStack) -> tuple[list[xr.Dataset], list[str]]:
    source: Any = path
    if is_url(path):
        from fsspec.core import url_to_fs

        try:
            files, inner = url_to_fs(path)
            zarr = any(files.exists(f"{inner.rstrip('/')}/{mark}") for mark in ZARR_MARKS)
            there = zarr or files.exists(inner)
        except (OSError, ValueError) as exc:
            raise InputError(f"{path} cannot be reached ({exc}).") from exc
        if not there:
            raise InputError(f"{path} does not exist.")
        if zarr:
            return _decode(path, "zarr")
        source = stack.enter_context(files.open(inner))
        head = source.read(8)
        source.seek(0)
    elif Path(path).is_dir():
        if not any(Path(path, mark).exists() for mark in ZARR_MARKS):
            raise InputError(f"{path} is a folder but no Zarr store; give its files as a pattern, such as {path}/*.nc.")
        return _decode(path, "zarr")
    else:
        with open(path, "rb") as file:
            head = file.read(8)
    if head.startswith(HDF5):
        return _decode(source, "h5netcdf")
    if head.startswith(NETCDF3):
        return _decode(source, "scipy")
    if head.startswith(GRIB) or (head and path.lower().endswith(GRIB_SUFFIXES)):
        if source is not path:
            raise InputError(f"{path} is GRIB, which is read from disk only; download it first.")
        return _open_grib(path, wanted)
    raise _not_fields(short_name(path), head)


def _not_fields(name: str, head: bytes) -> InputError:
    if not head:
        return InputError(f"{name} is empty (0 bytes).")
    if head.startswith(ZIP):
        return InputError(f"{name} is a ZIP archive, as the Climate Data Store may send; unzip it first.")
    return InputError(f"{name} is not netCDF, GRIB or Zarr; it begins with {head!r}.")


def _decode(source: Any, engine: str) -> tuple[list[xr.Dataset], list[str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Zarr without consolidated metadata, odd fill values: judged by what is read
        raw = xr.open_dataset(source, engine=engine, decode_timedelta=True, cache=False)
    return [raw], [str(name) for name in raw.data_vars]


def _open_grib(path: str, wanted: Sequence[str]) -> tuple[list[xr.Dataset], list[str]]:
    from cfgrib.dataset import open_fileindex
    from cfgrib.messages import FileStream
    from cfgrib.xarray_store import open_variable_datasets

    options: dict[str, Any] = {"indexpath": "", "errors": "raise"}  # no index file beside the data; no message skipped
    index = open_fileindex(FileStream(path, errors="raise"), indexpath="", index_keys=["shortName"])
    holds = sorted(index["shortName"])
    spellings = {spelling for name in wanted for spelling in ALIASES.get(name, (name,))}
    options["filter_by_keys"] = {"shortName": [name for name in holds if name.lower() in spellings]}
    if not options["filter_by_keys"]["shortName"]:
        return [], holds
    return open_variable_datasets(path, backend_kwargs=options, decode_timedelta=True), holds
