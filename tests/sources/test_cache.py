"""The cache under everything that happens to caches: kills, full disks, damage, strangers, a second process."""

from __future__ import annotations

import datetime as dt
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.commands import PROJECT
from tests.sources.simulated import SMALL, Simulated, assert_simulated
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE, validate
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources import whole
from typhoon_tracker.sources.cache import Cache, days_of, region_key
from typhoon_tracker.sources.dayfile import Damaged, check_seal, encode
from typhoon_tracker.sources.files import open_files
from typhoon_tracker.sources.netcdf import write_cds

SPAN = (pd.Timestamp("2023-05-20T18"), pd.Timestamp("2023-05-22T05"))  # three days
DAYS = days_of(SPAN)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path)


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fetched")
    Cache(folder).fetch(Simulated(), DAYS, SMALL)
    return folder


@pytest.fixture
def filled(cache: Cache, fetched: Path) -> Cache:
    shutil.copytree(fetched, cache.folder.parent, dirs_exist_ok=True)
    return cache


def test_fields_are_those_of_the_source(cache: Cache) -> None:
    arrived: list[int] = []
    fields = validate(cache.get(Simulated(), SPAN, SMALL, progress=arrived.append), hourly=True)
    assert (fields.indexes["time"][0], fields.indexes["time"][-1]) == SPAN
    assert fields.attrs["source"] == "ERA5 (simulated)"
    assert_simulated(fields, SMALL)
    np.testing.assert_array_equal(fields["latitude"], SMALL.latitude)
    assert arrived == [1_000_000] * 3


def test_a_second_call_reads_no_network(filled: Cache) -> None:
    again = Simulated()
    first = filled.get(again, SPAN, SMALL)
    assert again.asked == []
    xr.testing.assert_identical(first, filled.read("ncar", SPAN, SMALL))


def test_only_the_days_that_lack_are_fetched(cache: Cache) -> None:
    cache.fetch(Simulated(), [DAYS[1]], SMALL)
    source = Simulated()
    cache.get(source, SPAN, SMALL)
    assert source.asked == [[DAYS[0], DAYS[2]]]


def test_sources_and_regions_are_kept_apart(filled: Cache) -> None:
    other = Region(20.0, 18.0, 130.0, 132.25)
    assert set(filled.missing("ncar", DAYS, other)) == set(filled.missing("arco", DAYS, SMALL)) == set(DAYS)
    with pytest.raises(InputError, match=r"20230520\.nc is not there; fetch 2023-05-20 from arco"):
        filled.read("arco", SPAN, SMALL)


def test_a_day_is_a_netcdf_file_that_others_read(filled: Cache) -> None:
    path = filled.path("ncar", DAYS[0], SMALL)
    assert path == filled.folder / "ncar/n20_s18_w130_e132.5_0.25/2023/20230520.nc"
    fields = open_files(path)
    assert_simulated(fields, SMALL)
    assert fields.attrs["source"] == "ERA5 (simulated)"
    with h5py.File(path) as file:
        assert all(file[name].fletcher32 for name in (*CORE, "time", "latitude", "longitude"))
        assert file["msl"].shuffle
        assert file["msl"].dtype == np.float32


@pytest.mark.parametrize("fault", ["time", "grid", "variable", "nan", "end"])
@pytest.mark.fault("told, not kept", what="wrong")
def test_what_a_source_gives_wrongly_is_not_kept(cache: Cache, fault: str) -> None:
    changes = {
        "time": (lambda f: f.isel(time=slice(1, None)), "gave for 2023-05-20 holds 23 times from 2023-05-20 01:00"),
        "grid": (lambda f: f.assign_coords(latitude=f.latitude + 0.1), "has the latitudes 20.1 to 18.1"),
        "variable": (lambda f: f.drop_vars("t2m"), "gave for 2023-05-20 lacks t2m"),
        "nan": (lambda f: f.where(f.latitude > 19), "msl has .* NaN"),
        "end": (lambda f: f, "ncar ended before 2023-05-20"),
    }
    source = Simulated()
    source.change, words = changes[fault]
    if fault == "end":
        source.days = lambda *args, **options: iter(())  # type: ignore[method-assign]
    with pytest.raises(InputError, match=words):
        cache.fetch(source, DAYS, SMALL)
    assert cache.entries() == []


@pytest.mark.fault("days kept, next call goes on", what="source fails midway")
def test_what_arrived_before_a_failure_stays(cache: Cache) -> None:
    def fail(day: dt.date) -> None:
        if day == DAYS[2]:
            raise InputError("the mirror is out of reach.")

    source = Simulated()
    source.before = fail
    with pytest.raises(InputError, match=r"out of reach\. 2 of 3 days were fetched and are kept; the same command"):
        cache.get(source, SPAN, SMALL)
    second = Simulated()
    assert_simulated(cache.get(second, SPAN, SMALL), SMALL)
    assert second.asked == [DAYS[2:]]


def damage(path: Path, kind: str, cache: Cache) -> None:
    content = path.read_bytes()
    if kind == "a chunk":
        with h5py.File(path) as file:
            where = file["u10"].id.get_chunk_info(0).byte_offset
        path.write_bytes(content[: where + 100] + bytes([content[where + 100] ^ 1]) + content[where + 101 :])
    elif kind == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("<html>Please sign in</html>")
    elif kind == "another day":
        shutil.copy(cache.path("ncar", DAYS[0], SMALL), path)
    elif kind == "another source":
        cache.fetch(Simulated("arco"), [DAYS[1]], SMALL)
        shutil.copy(cache.path("arco", DAYS[1], SMALL), path)
    elif kind == "another region":
        moved = Region(21.0, 19.0, 130.0, 132.5)
        path.write_bytes(encode(next(Simulated().days([DAYS[1]], moved)), source_name="ncar"))
    elif kind == "unsealed":
        write_cds(next(Simulated().days([DAYS[1]], SMALL)), path)
    else:
        with h5py.File(path, "r+") as file:
            file["msl"][3, 4, 5] += 1.0


FAULTS = {
    "a chunk": "has changed since it was written",
    "cut": "is cut short or was not written by this cache",
    "empty": "is cut short",
    "text": "is cut short",
    "another day": "not the 24 hours of 2023-05-21",
    "another source": "comes from arco, not from ncar",
    "another region": "has the latitudes 21 to 19",
    "unsealed": "was not written by this cache",
    "by hand": "has changed since|is cut short",
}


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.fault("told, fetched again, verifies", what="damage")
def test_a_damaged_day_is_told_and_fetched_again(filled: Cache, kind: str) -> None:
    path = filled.path("ncar", DAYS[1], SMALL)
    damage(path, kind, filled)
    (fault,) = filled.verify()
    assert fault.path == path
    assert re.search(FAULTS[kind], fault.reason)
    span = (pd.Timestamp(DAYS[1]), pd.Timestamp(DAYS[1]) + pd.Timedelta(hours=23))
    with pytest.raises(InputError, match=re.escape(f"{path} {fault.reason}; fetch 2023-05-21 from ncar.")):
        filled.read("ncar", span, SMALL)
    notes: list[str] = []
    source = Simulated()
    assert_simulated(filled.get(source, span, SMALL, notice=notes.append), SMALL)
    assert source.asked == [[DAYS[1]]]
    assert notes == [f"{path} {fault.reason}; it is fetched again."]
    assert filled.missing("ncar", [DAYS[1]], SMALL) == {}


def test_damage_is_told_as_a_warning_where_nobody_listens(filled: Cache) -> None:
    filled.path("ncar", DAYS[1], SMALL).write_bytes(b"")
    with pytest.warns(UserWarning, match="20230521.nc is cut short"):
        filled.get(Simulated(), SPAN, SMALL)


CONTENT = encode(next(Simulated().days([DAYS[0]], SMALL)), source_name="ncar")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(CONTENT) - 1), st.integers(0, 7))
def test_no_bit_changes_unseen(byte: int, bit: int) -> None:
    changed = bytearray(CONTENT)
    changed[byte] ^= 1 << bit
    with pytest.raises(Damaged):
        check_seal(bytes(changed))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, len(CONTENT) - 1))
def test_no_cut_is_unseen(length: int) -> None:
    with pytest.raises(Damaged):
        check_seal(CONTENT[:length])


@pytest.mark.fault("told in one sentence, nothing lost", what="full disk")
def test_a_full_disk_is_one_sentence_and_loses_nothing(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter([None, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))])

    def full(descriptor: int) -> None:
        if (error := next(calls)) is not None:
            raise error

    with monkeypatch.context() as patch:
        patch.setattr(whole.os, "fsync", full)
        with pytest.raises(InputError, match=r"20230521\.nc cannot be written: No space left on device; make room"):
            cache.get(Simulated(), SPAN, SMALL)
    assert [entry.days for entry in cache.entries()] == [(DAYS[0],)]
    assert cache.verify() == []
    assert not [path for path in cache.folder.rglob("*") if path.suffix == ".tmp"]
    assert_simulated(cache.get(Simulated(), SPAN, SMALL), SMALL)


def test_room_is_looked_for_before_a_fetch(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(cache.folder.parent)
    monkeypatch.setattr(whole.shutil, "disk_usage", lambda path: usage._replace(free=100_000))
    source = Simulated()
    with pytest.raises(InputError, match=r"3 days may take 0\.00 GB and .* has 0\.00 GB free; make room"):
        cache.get(source, SPAN, SMALL)
    assert source.asked == []


PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from tests.sources.simulated import SMALL, Simulated
from typhoon_tracker.sources import whole
from typhoon_tracker.sources.cache import Cache
moment, folder = sys.argv[1:]
span = ("2023-05-20T18", "2023-05-22T05")
left = 2
def die(*arguments):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
sync, rename = os.fsync, os.replace
if moment == "written":
    whole.os.fsync = lambda file: (die(), sync(file))
elif moment == "named":
    whole.os.replace = lambda old, new: (rename(old, new), die())
source = Simulated()
if moment == "any":
    source.before = lambda day: time.sleep(0.02)
Cache(Path(folder)).get(source, span, SMALL)
"""


def start(moment: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, moment, str(folder)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(("moment", "kept"), [("written", 1), ("named", 2)])
@pytest.mark.fault("whole days kept, next call completes", what="kill -9 when")
def test_a_kill_leaves_whole_days(cache: Cache, moment: str, kept: int) -> None:
    killed = start(moment, cache.folder.parent)
    assert killed.wait() == -signal.SIGKILL
    assert cache.verify() == []
    assert sum(len(entry.days) for entry in cache.entries()) == kept
    left = list(cache.folder.rglob("*.tmp"))
    assert len(left) == (moment != "named")
    old = time.time() - 2 * whole.ABANDONED_S
    for path in left:
        os.utime(path, (old, old))
    source = Simulated()
    assert_simulated(cache.get(source, SPAN, SMALL), SMALL)
    assert source.asked == [DAYS[kept:]]
    assert not list(cache.folder.rglob("*.tmp"))


@pytest.mark.fault("both whole, verifies", what="two processes")
def test_two_processes_may_fetch_at_once(cache: Cache) -> None:
    both = [start("any", cache.folder.parent) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert cache.verify() == []
    second = Simulated()
    assert_simulated(cache.get(second, SPAN, SMALL), SMALL)
    assert second.asked == []
    assert not list(cache.folder.rglob("*.tmp"))


def test_entries_and_clear(filled: Cache, tmp_path: Path) -> None:
    filled.fetch(Simulated("arco"), DAYS[:1], SMALL)
    arco, ncar = filled.entries()
    assert (arco.source, arco.region, arco.days) == ("arco", SMALL, (DAYS[0],))
    assert (ncar.source, ncar.days) == ("ncar", tuple(DAYS))
    assert ncar.bytes == sum(filled.path("ncar", day, SMALL).stat().st_size for day in DAYS)
    mine = filled.path("ncar", DAYS[0], SMALL).with_name("notes.txt")
    mine.write_text("not the cache's own")
    assert filled.clear("ncar") == (3, ncar.bytes)
    assert mine.read_text()
    assert [entry.source for entry in filled.entries()] == ["arco"]
    assert filled.clear()[0] == 1
    assert [path.name for path in filled.folder.rglob("*") if path.is_file()] == ["notes.txt"]


def test_strangers_in_the_cache_are_told(filled: Cache) -> None:
    stranger = filled.folder / "ncar/elsewhere/2023/20230520.nc"
    stranger.parent.mkdir(parents=True)
    shutil.copy(filled.path("ncar", DAYS[0], SMALL), stranger)
    assert [(fault.path, fault.reason) for fault in filled.verify()] == [
        (stranger, "has a name that the cache does not give")
    ]
    assert len(filled.entries()) == 1


def test_an_empty_cache(cache: Cache) -> None:
    assert cache.entries() == cache.verify() == []
    assert cache.clear() == (0, 0)


def test_a_span_that_ends_before_it_begins(cache: Cache) -> None:
    with pytest.raises(InputError, match="begins at 2023-05-22 05:00:00, after its end at 2023-05-20"):
        cache.get(Simulated(), SPAN[::-1], SMALL)


@given(
    st.tuples(*(st.integers(-300, 300) for _ in range(2))),
    st.sampled_from([0.1, 0.25, 0.5, 1.0]),
)
def test_a_region_has_a_name_of_its_own(corner: tuple[int, int], step: float) -> None:
    region = Region(corner[0] * 0.25 + 2.0, corner[0] * 0.25, corner[1] * 0.5, corner[1] * 0.5 + 3.0, step)
    cache = Cache(Path("/nowhere"))
    path = cache.path("ncar", DAYS[0], region)
    assert cache._named(path) == ("ncar", region, DAYS[0])
    assert region_key(region) != region_key(Region(region.north, region.south, region.west, region.east, step * 2))
