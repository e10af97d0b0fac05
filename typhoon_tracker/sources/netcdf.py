"""Write contract fields as netCDF in the layout of the Climate Data Store."""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

import numpy as np
import xarray as xr

import typhoon_tracker
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import validate
from typhoon_tracker.sources.files import GENERATOR


def write_cds(fields: xr.Dataset, path: str | Path) -> Path:
    """Write contract fields to `path` as the Climate Data Store does today and return the path.

    netCDF-4, compressed without loss: float32 variables (valid_time, latitude, longitude), coordinates `number` and
    `expver`, all attributes kept; `open_files` reads it back bit for bit. The file appears whole or not at all.
    Raises InputError where the fields break the contract, and where the folder or disk does not take the file.
    """
    path = Path(path)
    fields = validate(fields, variables=tuple(map(str, fields.data_vars)))
    laid_out = fields.rename(time="valid_time").assign_coords(
        number=((), np.int64(0), {"standard_name": "realization", "long_name": "ensemble member numerical id"}),
        # Not ERA5's "0001": which run the values come from is told by `source` alone.
        expver=("valid_time", np.full(fields.sizes["time"], "none"), {"long_name": "experiment version"}),
    )
    laid_out["valid_time"].attrs.update(standard_name="time", long_name="time")
    laid_out.attrs["generator"] = f"{GENERATOR} {typhoon_tracker.__version__}"
    encoding: dict = {name: {"dtype": "float32", "zlib": True, "complevel": 4} for name in fields.data_vars}
    encoding |= {name: {"_FillValue": None} for name in ("latitude", "longitude")}
    encoding["valid_time"] = {"dtype": "int64", "units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian"}
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    # Built in memory: where the disk fills, the HDF5 library would take the interpreter down with it.
    content = laid_out.drop_encoding().to_netcdf(None, engine="h5netcdf", encoding=encoding)
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as exc:
        raise InputError(f"{path} cannot be written: {exc.strerror}. Give a folder that takes it.") from exc
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return path
