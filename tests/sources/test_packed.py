"""The packed training set: what 16 bits cost, what survives a kill, and statistics of the training years alone."""

from __future__ import annotations

import datetime as dt
import errno
import json
import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.commands import PROJECT
from tests.sources.simulated import SMALL, Simulated, assert_simulated
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE, VARIABLES, validate
from typhoon_tracker.geo.grid import PAPER_REGION, Region
from typhoon_tracker.sources import training_set, whole
from typhoon_tracker.sources.files import open_files
from typhoon_tracker.sources.packing import Loss, Moments, pack, scale_and_offset, unpack
from typhoon_tracker.sources.training_set import build, days_left
from typhoon_tracker.sources.training_store import Order, describe

SPAN = (dt.date(2021, 12, 29), dt.date(2022, 1, 1))  # three days of the training years, one of the next
BOUNDS = {name: scale_and_offset(name)[0] / 2 * 1.001 + VARIABLES[name].highest * 2.0**-24 for name in CORE}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("set") / "days.zarr"
    build(Simulated("cds"), SPAN, path, region=SMALL)
    return path


def read(path: Path) -> xr.Dataset:
    with xr.open_zarr(path, chunks=None) as fields:
        return fields.load()


def content(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.mark.parametrize("name", CORE)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_whatever_the_contract_allows_fits_to_half_a_step(name: str, data: st.DataObject) -> None:
    known = VARIABLES[name]
    values = data.draw(arrays(np.float32, (2, 3, 3), elements=st.floats(known.lowest, known.highest, width=32)))
    assert np.abs(unpack(name, pack(name, values)).astype(float) - values).max() <= BOUNDS[name]


@pytest.mark.parametrize("name", CORE)
@pytest.mark.parametrize("value", [np.nan, np.inf, "above", "below"])
def test_what_does_not_fit_is_refused_not_clipped(name: str, value: float | str) -> None:
    known = VARIABLES[name]
    wrong = {"above": known.highest * 1.01, "below": known.lowest - 1.0}.get(value, value)  # type: ignore[arg-type]
    values = np.full((1, 2, 2), known.highest, np.float32)
    values[0, 1, 1] = wrong
    with pytest.raises(
        InputError, match=rf"{name} has 1 values that do not fit, such as .*; packed in 16 bits it holds"
    ):
        pack(name, values)


def test_the_store_is_plain_cf_that_others_read(made: Path) -> None:
    fields = read(made)
    assert set(fields.data_vars) == set(CORE)
    assert fields["msl"].dims == ("time", "latitude", "longitude")
    assert fields["msl"].encoding["dtype"] == np.int16
    assert_simulated(fields, SMALL, within=BOUNDS)
    assert fields.attrs["source"] == "ERA5 (simulated)"
    validate(open_files(made), hourly=True)
    assert_simulated(open_files(made, region=SMALL), SMALL, within=BOUNDS)


def test_the_errors_told_are_those_made(made: Path) -> None:
    fields = read(made)
    told = describe(made).errors
    exact = xr.concat(Simulated().days(Order("cds", *SPAN, SMALL).days, SMALL), "time", data_vars="all")
    for name in CORE:
        error = fields[name].values.astype(np.float32).astype(float) - exact[name].values
        np.testing.assert_allclose(told[name], (np.abs(error).max(), np.sqrt((error**2).mean())), rtol=1e-9)
        assert fields[name].attrs["packing_max_error"] == told[name][0] <= BOUNDS[name]


def test_statistics_are_those_of_the_training_years(made: Path) -> None:
    told = json.loads(describe(made).statistics.read_text())  # type: ignore[union-attr]
    fields = read(made).sel(time=slice(None, "2021-12-31T23"))
    assert told["frames"] == fields.sizes["time"] == 72
    assert told["last"] == "2021-12-31"
    for k, name in enumerate(CORE):
        values = fields[name].values
        np.testing.assert_allclose(told["mean"][k], values.mean(), rtol=1e-12)
        np.testing.assert_allclose(told["std"][k], values.std(), rtol=1e-9)
        for lead in range(1, 13):
            change = values[lead:] - values[:-lead]
            np.testing.assert_allclose(told["tendency_std"][lead - 1][k], np.sqrt((change**2).mean()), rtol=1e-9)


def test_years_after_the_training_have_no_statistics(tmp_path: Path) -> None:
    made = build(Simulated("cds"), (dt.date(2022, 1, 1), dt.date(2022, 1, 1)), tmp_path / "later.zarr", region=SMALL)
    assert made.statistics is None
    assert [path.name for path in tmp_path.iterdir()] == ["later.zarr"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(0, 2**31))
def test_sums_do_not_depend_on_the_pieces(pieces: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    frames = {name: random.integers(-32767, 32768, (sum(pieces), 2, 3), dtype=np.int16) for name in CORE}
    edges = np.cumsum([0, *pieces])
    parts = Moments()
    for begin, end in pairwise(edges):
        parts.add(
            {name: values[begin:end] for name, values in frames.items()},
            {name: values[max(0, begin - 12) : begin] for name, values in frames.items()},
        )
    at_once = Moments()
    at_once.add(frames, {name: values[:0] for name, values in frames.items()})
    assert parts == at_once
    exact = frames["v10"].astype(object)
    assert at_once.second[2] == (exact**2).sum()
    if len(exact) > 5:
        assert at_once.change_squares[4][2] == ((exact[5:] - exact[:-5]) ** 2).sum()


def test_the_counts_of_the_split() -> None:
    whole_span = Order("cds", dt.date(2017, 1, 1), dt.date(2023, 12, 31), PAPER_REGION)
    assert whole_span.windows() == {"training": 43_801, "validation": 8_737, "test": 8_737}


def test_what_a_failure_left_is_gone_on_with(tmp_path: Path, made: Path) -> None:
    def fail(day: dt.date) -> None:
        if day == dt.date(2021, 12, 31):
            raise InputError("the store is out of reach.")

    source, path = Simulated("cds"), tmp_path / "days.zarr"
    source.before = fail
    with pytest.raises(InputError, match="out of reach"):
        build(source, SPAN, path, region=SMALL)
    assert not path.exists()
    assert days_left(path, Order("cds", *SPAN, SMALL)) == [dt.date(2021, 12, 31), dt.date(2022, 1, 1)]
    second = Simulated("cds")
    build(second, SPAN, path, region=SMALL)
    assert second.asked == [[dt.date(2021, 12, 31), dt.date(2022, 1, 1)]]
    assert content(tmp_path) == content(made.parent)


PROGRAM = """
import datetime as dt, os, signal, sys
from pathlib import Path
from tests.sources.simulated import SMALL, Simulated
from typhoon_tracker.sources import training_set
from typhoon_tracker.sources.training_set import build
moment, path = sys.argv[1:]
def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)
count = 0
def third(real):
    def call(*arguments, **options):
        global count
        count += 1
        return die() if count == 3 else real(*arguments, **options)
    return call
if moment == "laid out":
    training_set._write_state = die
elif moment == "before the mark":
    training_set._write_state = third(training_set._write_state)
elif moment == "before the name":
    os.rename = die
build(Simulated("cds"), (dt.date(2021, 12, 29), dt.date(2022, 1, 1)), Path(path), region=SMALL)
"""


@pytest.mark.parametrize(
    ("moment", "left"),
    [("laid out", 4), ("before the mark", 3), ("before the name", 0)],
)
@pytest.mark.fault("same store in the end", what="kill -9 when")
def test_a_kill_at_any_moment_changes_nothing_in_the_end(tmp_path: Path, made: Path, moment: str, left: int) -> None:
    path = tmp_path / "days.zarr"
    killed = subprocess.run([sys.executable, "-c", PROGRAM, moment, str(path)], cwd=PROJECT)
    assert killed.returncode == -signal.SIGKILL
    second = Simulated("cds")
    build(second, SPAN, path, region=SMALL)
    assert second.asked == ([Order("cds", *SPAN, SMALL).days[-left:]] if left else [])
    mine = content(tmp_path)
    mine.pop(".days.zarr.lock", None)
    assert mine == content(made.parent)


def test_a_day_half_written_is_written_anew(tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "days.zarr"
    calls = iter(range(100))

    def stop(before: np.ndarray, after: np.ndarray) -> None:
        raise KeyboardInterrupt

    real = Loss.add
    monkeypatch.setattr(Loss, "add", lambda self, a, b: stop(a, b) if next(calls) == 5 else real(self, a, b))
    with pytest.raises(KeyboardInterrupt):
        build(Simulated("cds"), SPAN, path, region=SMALL)
    assert zarr.open_group(f"{path}.part", mode="r")["msl"][24, 0, 0] != -32768  # day 2 is there without its mark
    monkeypatch.undo()
    build(Simulated("cds"), SPAN, path, region=SMALL)
    assert content(tmp_path) == content(made.parent)


@pytest.mark.parametrize("where", ["chunk", "mark"])
@pytest.mark.fault("told in one sentence", what="full disk")
def test_a_full_disk_is_one_sentence(tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    calls = iter(range(100))

    def full(*arguments: object, **options: object) -> None:
        if next(calls) >= 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "days.zarr"
    with monkeypatch.context() as patch:
        if where == "mark":
            patch.setattr(whole.os, "fsync", full)
        else:
            real = zarr.Array.__setitem__
            patch.setattr(zarr.Array, "__setitem__", lambda *a: (full(), real(*a)))
        with pytest.raises(InputError, match="cannot be written: No space left on device; what is done is kept"):
            build(Simulated("cds"), SPAN, path, region=SMALL)
    build(Simulated("cds"), SPAN, path, region=SMALL)
    assert content(tmp_path) == content(made.parent)


def test_a_whole_set_is_not_read_again(made: Path) -> None:
    source = Simulated("cds")
    again = build(source, SPAN, made, region=SMALL)
    assert source.asked == []
    assert again == describe(made)
    assert again.frames == 96


def test_other_orders_are_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds 2021-12-29 to 2022-01-01 from cds .*, not .* from ncar"):
        build(Simulated("ncar"), SPAN, made, region=SMALL)
    source, path = Simulated("cds"), tmp_path / "x.zarr"
    source.days = lambda *a, **o: iter(())  # type: ignore[method-assign]
    with pytest.raises(InputError, match="cds ended before 2021-12-29; 0 days are kept"):
        build(source, SPAN, path, region=SMALL)
    with pytest.raises(InputError, match=r"x\.zarr\.part was begun as .*; remove it or choose another name"):
        build(Simulated("cds"), SPAN, path, region=Region(20.0, 18.0, 130.0, 132.0))
    (tmp_path / "y.zarr").write_text("in the way")
    with pytest.raises(InputError, match=r"y\.zarr is there and is no training set"):
        build(Simulated("cds"), SPAN, tmp_path / "y.zarr", region=SMALL)


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    path, source = tmp_path / "days.zarr", Simulated("cds")

    def intrude(day: dt.date) -> None:
        with pytest.raises(InputError, match=r"another process is writing .*days\.zarr; wait"):
            build(Simulated("cds"), SPAN, path, region=SMALL)

    source.before = intrude
    build(source, SPAN, path, region=SMALL)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["days.statistics.json", "days.zarr"]


def test_without_zarr_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(InputError, match=r"needs Zarr .*pip install 'typhoon-tracker\[era5\]'"):
        build(Simulated("cds"), SPAN, tmp_path / "days.zarr", region=SMALL)


def test_room_is_looked_for_before_a_byte_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = whole.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(whole.shutil, "disk_usage", lambda path: usage._replace(free=1000))
    source = Simulated("cds")
    with pytest.raises(InputError, match=r"days\.zarr may take .* GB and .* has 0\.00 GB free; choose another disk"):
        build(source, SPAN, tmp_path / "days.zarr", region=SMALL)
    assert source.asked == []


@pytest.mark.parametrize("fault", ["hours", "units"])
def test_wrong_days_are_not_packed(tmp_path: Path, fault: str) -> None:
    source = Simulated("cds")
    source.change = {
        "hours": lambda fields: fields.isel(time=slice(12)),
        "units": lambda fields: fields.assign(msl=fields["msl"] / 100),
    }[fault]
    with pytest.raises(InputError, match={"hours": "holds 12 times", "units": "msl runs from"}[fault]):
        build(source, SPAN, tmp_path / "days.zarr", region=SMALL)
    assert len(days_left(tmp_path / "days.zarr", Order("cds", *SPAN, SMALL))) == 4


def test_a_changed_chunk_is_noticed(made: Path, tmp_path: Path) -> None:
    import shutil

    path = tmp_path / "copy.zarr"
    shutil.copytree(made, path)
    chunk = path / "u10/c/1/0/0"
    raw = bytearray(chunk.read_bytes())
    raw[40] ^= 4
    chunk.write_bytes(bytes(raw))
    with pytest.raises(InputError, match="damaged"):
        open_files(path)
    assert training_set.describe(path).frames == 96
