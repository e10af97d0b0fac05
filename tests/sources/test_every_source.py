"""One storm through every source: the same fields within what the source packs, and the same track."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import h5netcdf
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.sources.era5.archives import UNITS, create, define, month_path
from tests.sources.era5.server import serve
from tests.sources.era5_cds.store import KEY, FakeStore
from typhoon_tracker.besttrack import shipped
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.geo.sphere import distance
from typhoon_tracker.sources import cds_store
from typhoon_tracker.sources.arco import ARRAYS, Arco
from typhoon_tracker.sources.base import DaySource, hours
from typhoon_tracker.sources.cache import Cache
from typhoon_tracker.sources.cds import Cds
from typhoon_tracker.sources.files import open_files
from typhoon_tracker.sources.ncar import FILES, Ncar
from typhoon_tracker.sources.netcdf import write_cds
from typhoon_tracker.sources.packing import scale_and_offset
from typhoon_tracker.sources.reconstruction import Reconstruction
from typhoon_tracker.sources.retry import Patience
from typhoon_tracker.sources.training_set import build
from typhoon_tracker.track import create as create_track
from typhoon_tracker.tracker.follow import follow

DAYS = [dt.date(2023, 5, 31), dt.date(2023, 6, 1)]  # MAWAR, at sea, over the end of a month
REGION = Region(north=30.0, south=17.0, west=119.0, east=133.0)
TIMES = hours(DAYS[0]).append(hours(DAYS[1]))
GRIB_BITS = 24
PATIENT = Patience(tries=3, wait=0.01, longest_wait=0.05, connect=10.0, silence=30.0)
# Half a step of the packing, and the float32 that holds the value; 0 is bit for bit.
EXACT = dict.fromkeys(CORE, 0.0)
PACKED = {name: scale_and_offset(name)[0] / 2 * 1.001 + 0.004 * (name == "msl") + 2e-5 for name in CORE}
GRIB = dict(zip(CORE, (0.01, 5e-5, 5e-5, 1e-4), strict=True))


@pytest.fixture(scope="module")
def storm() -> xr.Dataset:
    table = shipped.load("wmo").table
    mawar = table[(table["season"] == 2023) & (table["name"] == "MAWAR")]
    return Reconstruction(mawar, seed="every source").open(TIMES, REGION)


def ncar_files(root: Path, storm: xr.Dataset) -> None:
    for name in CORE:
        for day in DAYS:
            path = root / month_path(name, day)
            path.parent.mkdir(parents=True, exist_ok=True)
            month = pd.date_range(day.replace(day=1), periods=24 * pd.Period(day, "M").days_in_month, freq="h")
            with h5netcdf.File(path, "w") as file:
                axes = storm.latitude.values.astype(float), storm.longitude.values.astype(float)
                values = define(file, FILES[name][1], UNITS[name], month, *axes)
                first = 24 * (day.day - 1)
                values[first : first + 24] = storm[name].sel(time=f"{day}").values


def arco_store(path: Path, storm: xr.Dataset) -> None:
    import zarr

    group = zarr.open_group(path, mode="w", zarr_format=2)
    axes = {"time": ((TIMES - pd.Timestamp("1900-01-01")) // pd.Timedelta(hours=1)).to_numpy(np.int64)}
    axes |= {axis: storm[axis].values.astype(np.float32) for axis in ("latitude", "longitude")}
    for axis, numbers in axes.items():
        create(group, axis, numbers.shape, numbers.shape, numbers.dtype, (axis,))[:] = numbers
    group["time"].attrs.update(units="hours since 1900-01-01 00:00:00", calendar="proleptic_gregorian")
    for name, spelling in ARRAYS.items():
        values = storm[name].values
        array = create(group, spelling, values.shape, (1, *values.shape[1:]), values.dtype, tuple(axes), fill_value=0)
        array.attrs["units"] = UNITS[name]
        array[:] = values
    zarr.consolidate_metadata(group.store)


def grib_file(path: Path, storm: xr.Dataset) -> None:
    import eccodes

    latitude, longitude = storm.latitude.values, storm.longitude.values
    with path.open("wb") as file:
        for name, short in zip(CORE, ("msl", "10u", "10v", "2t"), strict=True):
            for time in TIMES:
                message = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib1")
                keys = {
                    "Ni": len(longitude),
                    "Nj": len(latitude),
                    "latitudeOfFirstGridPointInDegrees": latitude[0],
                    "latitudeOfLastGridPointInDegrees": latitude[-1],
                    "longitudeOfFirstGridPointInDegrees": longitude[0],
                    "longitudeOfLastGridPointInDegrees": longitude[-1],
                    "iDirectionIncrementInDegrees": REGION.step,
                    "jDirectionIncrementInDegrees": REGION.step,
                    "shortName": short,
                    "dataDate": int(f"{time:%Y%m%d}"),
                    "dataTime": int(f"{time:%H%M}"),
                    "bitsPerValue": GRIB_BITS,
                }
                for key, setting in keys.items():
                    eccodes.codes_set(message, key, float(setting) if "Degrees" in key else setting)
                eccodes.codes_set_values(message, storm[name].sel(time=time).values.ravel().astype(float))
                eccodes.codes_write(message, file)
                eccodes.codes_release(message)


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory, storm: xr.Dataset) -> Iterator[dict[str, DaySource]]:
    """The three archives of days, each behind a server of its own."""
    root = tmp_path_factory.mktemp("archives")
    ncar_files(root, storm)
    arco_store(root / "arco", storm)
    with pytest.MonkeyPatch.context() as patch, serve(root) as server:
        patch.setenv("CDSAPI_RC", str(root / "none"))
        patch.setattr(cds_store, "POLL_S", (0.01, 0.02))
        (root / "store").mkdir()
        store = FakeStore(root / "store", lambda times, region: storm.sel(time=times))
        store.start()
        cds = Cds(root / "cds", url=f"{store.root}/api", key=KEY, patience=PATIENT, status=lambda sentence: None)
        yield {"ncar": Ncar(endpoint=server.url), "arco": Arco(url=f"{server.url}/arco"), "cds": cds}
        store.stop()


def whole(source: DaySource) -> xr.Dataset:
    return xr.concat(list(source.days(DAYS, REGION)), "time")


def read(source: str, archives: dict[str, DaySource], storm: xr.Dataset, folder: Path) -> xr.Dataset:
    """The storm as one source gives it."""
    if source in archives:
        return whole(archives[source])
    span = TIMES[0], TIMES[-1]
    if source == "cache":
        Cache(folder).fetch(archives["ncar"], DAYS, REGION)
        return Cache(folder).read("ncar", span, REGION)
    path = folder / source
    if source == "netCDF file":
        write_cds(storm, path)
    elif source == "Zarr store":
        storm.drop_attrs(deep=False).to_zarr(path.with_suffix(".zarr"), consolidated=False)
        path = path.with_suffix(".zarr")
    elif source == "GRIB file":
        grib_file(path, storm)
    elif source == "training set":
        build(archives["arco"], (DAYS[0], DAYS[-1]), path.with_suffix(".zarr"), region=REGION)
        path = path.with_suffix(".zarr")
    return open_files(path, region=REGION, times=span)


def follow_mawar(fields: xr.Dataset) -> pd.DataFrame:
    """Follow the storm from where the best track has it at the first hour."""
    table = shipped.load("wmo").table
    start = table[(table["season"] == 2023) & (table["name"] == "MAWAR") & (table["time"] == TIMES[0])]
    numbers = {name: start[name].tolist() for name in ("lat", "lon")}
    return follow(fields, create_track(track_id=["MAWAR"], time=start["time"].tolist(), **numbers))


@pytest.fixture(scope="module")
def expected(storm: xr.Dataset) -> pd.DataFrame:
    """The track of the fields that went into every source."""
    found = follow_mawar(storm)
    assert found["time"].max() > pd.Timestamp(DAYS[1])  # the month has ended
    return found


@pytest.mark.parametrize(
    ("source", "within", "km"),
    [
        ("ncar", EXACT, 0.0),
        ("arco", EXACT, 0.0),
        ("cds", EXACT, 0.0),
        ("cache", EXACT, 0.0),
        ("netCDF file", EXACT, 0.0),
        ("Zarr store", EXACT, 0.0),
        ("GRIB file", GRIB, 0.01),
        ("training set", PACKED, 0.05),
    ],
)
def test_one_storm_is_the_same_through_every_source(
    source: str,
    within: dict[str, float],
    km: float,
    archives: dict[str, DaySource],
    storm: xr.Dataset,
    expected: pd.DataFrame,
    tmp_path: Path,
) -> None:
    if source == "GRIB file":
        pytest.importorskip("eccodes")
        pytest.importorskip("cfgrib")
    found = read(source, archives, storm, tmp_path)
    for axis in ("time", "latitude", "longitude"):
        np.testing.assert_array_equal(found[axis], storm[axis])
    off = {name: float(np.abs(found[name].values - storm[name].values).max()) for name in CORE}
    track = follow_mawar(found)
    assert track["time"].tolist() == expected["time"].tolist()
    moved = distance(*(table[axis].to_numpy() for table in (expected, track) for axis in ("lat", "lon")))
    print(f"{source}: largest difference {off}; fixes moved by {moved.max():.3f} km at most")
    assert all(off[name] <= within[name] for name in CORE), off
    assert moved.max() <= km
