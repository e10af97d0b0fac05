"""Windows over an archive: every one once, never over a gap, the values of the files, in constant memory."""

from __future__ import annotations

import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from torch.utils.data import DataLoader

from tests.sources.samples import UNITS, sample, save, value
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.training.archive import BlockShuffle, FieldWindows, field_statistics, window_starts

zarr = pytest.importorskip("zarr")
SHORT = {"seasons": (2020, 2020), "frames_in": 3, "frames_out": 2}
ARCO = {
    "msl": "mean_sea_level_pressure",
    "u10": "10m_u_component_of_wind",
    "v10": "10m_v_component_of_wind",
    "t2m": "2m_temperature",
}
HOURS = pd.date_range("2020-02-01", periods=60, freq="h")


def empty_store(path: Path, times: pd.DatetimeIndex, shape: tuple[int, int], *, chunk: int = 24) -> Path:
    """A Zarr store of any nominal size without a single chunk of values: only coordinates and fill values."""
    root = zarr.create_group(path)
    typical = {"msl": 101_000.0, "u10": 3.0, "v10": -3.0, "t2m": 290.0}
    axes = {"latitude": 44 - 0.25 * np.arange(shape[0]), "longitude": 110 + 0.25 * np.arange(shape[1])}
    hours = ((times - pd.Timestamp("1970-01-01")) // pd.Timedelta(hours=1)).to_numpy().astype("<i8")
    for name, values in {"time": hours, **axes}.items():
        array = root.create_array(name, data=np.asarray(values), dimension_names=[name])
        if name == "time":
            array.attrs.update(units="hours since 1970-01-01", calendar="proleptic_gregorian")
    for name in CORE:
        root.create_array(
            name,
            shape=(len(times), *shape),
            chunks=(chunk, *shape),
            dtype="float32",
            fill_value=typical[name],
            dimension_names=["time", *axes],
        ).attrs["units"] = UNITS[name]
    return path


def store(raw: xr.Dataset, path: Path, *, chunk: int = 4) -> Path:
    sizes = (chunk, *(raw.sizes[dim] for dim in list(raw.sizes)[1:]))
    raw.to_zarr(path, consolidated=False, encoding={str(name): {"chunks": sizes} for name in raw.data_vars})
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 hours of known values in chunks of 4."""
    return store(sample(times=HOURS), tmp_path_factory.mktemp("archive") / "small.zarr")


def expected(windows: FieldWindows, i: int) -> np.ndarray:
    before, after = pd.Timedelta(hours=windows.frames_in - 1), pd.Timedelta(hours=windows.frames_out)
    times = pd.date_range(windows.times[i] - before, windows.times[i] + after, freq="h")
    axes = windows.archive.latitude, windows.archive.longitude
    # The values of `samples` count hours from its own first time.
    return np.stack([value(name, times, *axes) for name in windows.archive.variables], axis=1)


def assert_right(windows: FieldWindows, i: int) -> None:
    tolerance = np.array([0.05, 1e-3, 1e-3, 1e-3])[:, None, None]
    window = windows[i].numpy()
    assert window.dtype == np.float32
    assert (np.abs(window - expected(windows, i)) <= tolerance).all()


def test_windows_hold_the_values_of_their_times(small: Path) -> None:
    windows = FieldWindows(small, **SHORT)
    assert len(windows) == 60 - 4
    for i in (0, 1, 7, 30, len(windows) - 1, -1):
        assert_right(windows, i)
    with pytest.raises(IndexError):
        windows[len(windows)]


@pytest.mark.parametrize("kind", ["ARCO names", "south to north", "west of Greenwich", "packed", "hPa", "netCDF"])
def test_every_spelling_and_packing_gives_si_units_north_to_south(kind: str, tmp_path: Path) -> None:
    raw = sample(times=HOURS[:12])
    if kind == "ARCO names":
        raw = raw.rename(ARCO)
    elif kind == "south to north":
        raw = raw.isel(latitude=slice(None, None, -1))
    elif kind == "west of Greenwich":
        raw = raw.assign_coords(longitude=raw.longitude - 360)
    elif kind == "hPa":
        raw["msl"] = (raw["msl"] / 100).assign_attrs(units="hPa")
    if kind == "packed":
        packing = {
            name: {
                "dtype": "int16",
                "_FillValue": -32768,
                "scale_factor": np.ptp(raw[name].values) / 6e4,
                "add_offset": raw[name].values.mean(),
            }
            for name in CORE
        }
        path = save(raw, tmp_path / "packed.nc", **packing)
    elif kind == "netCDF":
        path = save(raw, tmp_path / "plain.nc")
    else:
        path = store(raw, tmp_path / "store.zarr")
    windows = FieldWindows(path, **SHORT)
    assert windows.archive.latitude[0] > windows.archive.latitude[-1]
    assert_right(windows, 5)


@pytest.mark.parametrize("split", ["months", "variables"])
def test_files_of_months_and_of_variables_are_one_archive(split: str, tmp_path: Path) -> None:
    raw = sample(times=HOURS[:30])
    parts = (
        [raw.isel(time=slice(20, 30)), raw.isel(time=slice(0, 11)), raw.isel(time=slice(11, 20))]
        if split == "months"
        else [raw[[name]] for name in CORE]
    )
    for k, part in enumerate(parts):
        save(part, tmp_path / f"part_{k}.nc")
    windows = FieldWindows(tmp_path / "part_*.nc", **SHORT)
    assert len(windows) == 26
    for i in (0, 8, 17, 25):  # 8 and 17 lie over the seams of the months
        assert_right(windows, i)


def test_files_that_overlap_are_refused(tmp_path: Path) -> None:
    for k, span in enumerate((slice(0, 10), slice(9, 20))):
        save(sample(times=HOURS[span]), tmp_path / f"part_{k}.nc")
    with pytest.raises(InputError, match=r"part_1.nc begins at 2020-02-01 09:00:00, before part_0.nc ends"):
        FieldWindows(tmp_path / "*.nc", **SHORT)


def test_windows_of_the_seasons_are_as_many_as_the_calendar_has(tmp_path: Path) -> None:
    """Five years hourly and 12 + 12 frames: the release, which took windows by idx, saw a sixth of them."""
    times = pd.date_range("2016-12-01", "2024-01-31 23:00", freq="h")
    path = empty_store(tmp_path / "years.zarr", times, (2, 2), chunk=744)
    split = {"frames_in": 12, "frames_out": 12}
    train, test = (FieldWindows(path, seasons=years, **split) for years in ((2017, 2021), (2023, 2023)))
    assert (len(train), len(test)) == (43_801, 8_737)
    assert (train.times[0], train.times[-1]) == (pd.Timestamp("2017-01-01 11:00"), pd.Timestamp("2021-12-31 11:00"))
    sixth = FieldWindows(path, seasons=(2017, 2021), step=6, **split)
    assert len(sixth) == -(-43_801 // 6)
    assert (np.diff(sixth.times) == np.timedelta64(6, "h")).all()


def test_no_window_spans_a_gap_or_leaves_the_seasons() -> None:
    times = pd.date_range("2019-12-31", periods=96, freq="h").delete([50, 51, 80])
    for step in (1, 3):
        starts = window_starts(times, (2020, 2020), 6, step)
        covered = [times[s : s + 6] for s in starts]
        assert all((np.diff(part) == np.timedelta64(1, "h")).all() and set(part.year) == {2020} for part in covered)
        # Runs of 26, 28 and 15 hours of 2020.
        assert len(starts) == sum(-(-(run - 5) // step) for run in (26, 28, 15))
    assert len(window_starts(times[::6], (2020, 2020), 6, 1)) == 0


def test_an_archive_without_a_window_is_refused(small: Path) -> None:
    with pytest.raises(InputError, match=r"no 5 frames in a row, an hour apart, of 2021 to 2023; its 60 times run"):
        FieldWindows(small, **{**SHORT, "seasons": (2021, 2023)})
    with pytest.raises(InputError, match=r"crop of 12 points does not fit the grid of 11 x 16"):
        FieldWindows(small, **SHORT, size=12)


@pytest.mark.parametrize("cache_bytes", [0, 2**30])
def test_a_shuffled_epoch_visits_every_window_once(small: Path, cache_bytes: int) -> None:
    windows = FieldWindows(small, **SHORT, cache_bytes=cache_bytes)
    orders = {}
    for seed in (0, 1):
        for epoch in (0, 1):
            sampler = BlockShuffle(windows, seed=seed)
            sampler.set_epoch(epoch)
            orders[seed, epoch] = list(sampler)
            assert orders[seed, epoch] == list(sampler)
    assert all(sorted(order) == list(range(len(windows))) for order in orders.values())
    assert len({tuple(order) for order in orders.values()}) == 4
    resumed = BlockShuffle(windows, seed=1, epoch=1, start=20)
    assert list(resumed) == orders[1, 1][20:]
    resumed.set_epoch(0)
    assert list(resumed) == orders[1, 0]
    assert len(resumed) == len(windows)


def test_a_shuffled_epoch_decodes_a_block_hardly_more_than_once(tmp_path: Path) -> None:
    path = empty_store(tmp_path / "year.zarr", pd.date_range("2020-01-01", "2020-12-31", freq="h"), (2, 2))
    block_bytes = 24 * 4 * 4 * 4
    windows = FieldWindows(path, seasons=(2020, 2020), frames_in=12, frames_out=12, cache_bytes=60 * block_bytes)
    assert (windows.block, windows.blocks_kept) == (24, 60)
    read: list[int] = []

    def record(start: int, stop: int) -> np.ndarray:
        read.append(start // 24)
        return np.zeros((stop - start, 4, 2, 2), np.float32)

    windows.archive.read = record  # type: ignore[method-assign]
    order = list(BlockShuffle(windows))
    for i in order:
        windows[i]
    assert len(set(read)) == 366
    assert len(read) < 1.4 * 366
    together = np.array(order[:16])
    assert np.ptp(windows.starts[together]) > 24 * 100  # a batch comes from all over the year


def test_readers_take_their_batches_from_blocks_of_their_own(small: Path) -> None:
    windows = FieldWindows(small, **SHORT, cache_bytes=0)
    order = np.array(list(BlockShuffle(windows, workers=2, batch_size=4)))
    assert sorted(order) == list(range(len(windows)))
    batches = order[:32].reshape(-1, 4)  # of 56: before either reader runs out
    one, other = (set((windows.starts[part] // windows.block).ravel()) for part in (batches[::2], batches[1::2]))
    assert one
    assert other
    assert not one & other


def test_only_the_chunks_of_a_window_are_read(tmp_path: Path) -> None:
    path = store(sample(times=HOURS), tmp_path / "damaged.zarr", chunk=12)
    for chunk in path.glob("*/c/[!01]/0/0"):
        chunk.write_bytes(b"damaged")
    windows = FieldWindows(path, **SHORT)
    for i in (0, 19):  # frames 0 to 4, 19 to 23: chunks 0 and 1
        assert_right(windows, i)
    with pytest.raises(InputError, match="cannot be read"):
        windows[20]


def test_memory_does_not_grow_with_the_length_of_the_archive(tmp_path: Path) -> None:
    peaks = []
    for years in (2, 30):
        times = pd.date_range("1990-01-01", periods=years * 8760, freq="h")
        path = empty_store(tmp_path / f"{years}.zarr", times, (32, 32))
        windows = FieldWindows(path, seasons=(1990, 2021), frames_in=12, frames_out=12, cache_bytes=8 * 2**20)
        tracemalloc.start()
        for i in np.linspace(0, len(windows) - 1, 20, dtype=int):
            windows[i]
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 14 * 2**20  # the cache, a block on its way and a window; the long archive has 4 GB
    assert peaks[1] < 1.3 * peaks[0]


def test_workers_read_what_the_parent_reads(tmp_path: Path) -> None:
    """The parent has files open when it forks: neither HDF5 nor Zarr must go through that."""
    raw = sample(times=HOURS)
    for path in (store(raw, tmp_path / "forked.zarr"), save(raw, tmp_path / "forked.nc")):
        windows = FieldWindows(path, **SHORT, size=4, seed=5)
        here = torch.stack([windows[i] for i in range(len(windows))])
        there = torch.cat(list(DataLoader(windows, batch_size=8, num_workers=2)))
        assert torch.equal(here, there)
        assert torch.equal(here[3], pickle.loads(pickle.dumps(windows))[3])


def test_crops_are_drawn_from_seed_epoch_and_number(small: Path) -> None:
    windows = FieldWindows(small, **SHORT, size=6, seed=1)
    first = [windows[i] for i in range(20)]
    assert first[0].shape == (5, 4, 6, 6)
    assert all(torch.equal(windows[i], first[i]) for i in (0, 19))
    sampler = BlockShuffle(windows)
    sampler.set_epoch(1)
    assert sum(torch.equal(windows[i], first[i]) for i in range(20)) < 5
    corners = {(float(x[0, 1, 0, 0]), float(x[0, 2, 0, 0])) for x in first}
    assert len(corners) > 10
    whole = FieldWindows(small, **SHORT)[0]
    assert any(torch.equal(first[0], whole[:, :, r : r + 6, c : c + 6]) for r in range(6) for c in range(11))


def test_living_workers_see_the_next_epoch(small: Path) -> None:
    windows = FieldWindows(small, **SHORT, size=6)
    loader = DataLoader(windows, batch_size=8, num_workers=1, persistent_workers=True)
    first = torch.cat(list(loader))
    windows.set_epoch(1)
    second = torch.cat(list(loader))
    assert not torch.equal(first, second)
    assert torch.equal(second[4], windows[4])


def test_a_region_is_cut_out_of_a_wider_store(small: Path) -> None:
    windows = FieldWindows(small, **SHORT, region=Region(18.0, 12.0, 125.0, 130.0, 1.0))
    assert windows[0].shape == (5, 4, 7, 6)
    assert_right(windows, 9)


def test_a_nan_is_refused_where_it_is_in_the_window_and_nowhere_else(tmp_path: Path) -> None:
    raw = sample(times=HOURS)
    raw["u10"][30, 2, 3] = np.nan
    windows = FieldWindows(store(raw, tmp_path / "holes.zarr"), **SHORT)
    for i in (25, 31):
        assert_right(windows, i)
    for i in (26, 30):
        with pytest.raises(InputError, match=r"u10 has 1 NaN or infinite values at 2020-02-02 06:00:00 in .*holes"):
            windows[i]


def test_statistics_are_those_of_all_windows(tmp_path: Path) -> None:
    raw = sample(times=HOURS)
    noise = np.random.default_rng(0)
    for name in CORE:
        raw[name] += noise.standard_normal(raw[name].shape) * (100.0 if name == "msl" else 1.0)
    windows = FieldWindows(store(raw, tmp_path / "noisy.zarr"), **SHORT)
    found = field_statistics(windows, samples=10_000)
    everything = np.stack([windows[i].numpy() for i in range(len(windows))]).astype(float)
    change = everything[:, 3:] - everything[:, 2:3]
    np.testing.assert_allclose(found["mean"], everything.mean((0, 1, 3, 4)), rtol=1e-9)
    np.testing.assert_allclose(found["std"], everything.std((0, 1, 3, 4)), rtol=1e-9)
    np.testing.assert_allclose(found["tendency_std"], np.sqrt((change**2).mean((0, 3, 4))), rtol=1e-9)
    some = field_statistics(windows, samples=20)
    assert some["std"] != found["std"]
    np.testing.assert_allclose(some["std"], found["std"], rtol=0.1)


def test_statistics_come_from_the_training_seasons_alone(tmp_path: Path) -> None:
    path = empty_store(tmp_path / "late.zarr", pd.date_range("2021-12-30", "2022-01-03", freq="h"), (2, 2))
    with pytest.raises(InputError, match=r"end with 2021; these windows are of 2021 to 2022"):
        field_statistics(FieldWindows(path, seasons=(2021, 2022), frames_in=3, frames_out=2), samples=5)
