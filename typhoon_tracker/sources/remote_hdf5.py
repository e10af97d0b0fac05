"""One variable of a netCDF-4 file at a URL: the chunks of a region and of some hours, fetched many at a time.

The HDF5 library asks for one piece after the other and holds its lock meanwhile, so that threads gain nothing. The
chunks are therefore fetched ahead, where its index says they lie; the library then finds and decodes them in memory.
"""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence

import h5py
import numpy as np
import pandas as pd
import xarray as xr

from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import DIMS
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources import layout
from typhoon_tracker.sources.https import Https
from typhoon_tracker.sources.names import missing, to_si
from typhoon_tracker.sources.readers import readable, short_name

BLOCK = 1 << 15  # bytes the small reads of HDF5's own records are rounded up to
Range = tuple[int, int]


class RemoteFile(io.RawIOBase):
    """A read-only file at a URL: served from chunks fetched ahead, else in blocks that are kept."""

    def __init__(self, http: Https, url: str) -> None:
        first = http.run(http.fetch, url, 0, BLOCK)
        self.url, self.size, self.etag = url, first.size, first.etag
        self.ahead: dict[int, bytes] = {}
        self.failure: Exception | None = None
        self._http, self._blocks, self._position = http, {0: first.body}, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        start = self._position
        end = min(start + len(buffer), self.size)
        if end <= start:
            return 0
        try:
            buffer[: end - start] = self._bytes(start, end)
        except Exception as exc:
            self.failure = exc  # the HDF5 library tells its own story of it
            raise
        self._position = end
        return end - start

    def _bytes(self, start: int, end: int) -> bytes:
        chunk = self.ahead.get(start, b"")
        if len(chunk) >= end - start:
            return chunk[: end - start]
        first, last = start // BLOCK, (end - 1) // BLOCK
        self._load(range(first, last + 1))
        joined = b"".join(self._blocks[number] for number in range(first, last + 1))
        found = joined[start - first * BLOCK : end - first * BLOCK]
        self._load([address // BLOCK for address in _children(found) if address < self.size])
        return found

    def _load(self, numbers: Iterable[int]) -> None:
        lacking = [number for number in dict.fromkeys(numbers) if number not in self._blocks]
        wanted = [(self.url, number * BLOCK, (number + 1) * BLOCK, self.etag) for number in lacking]
        blocks = self._http.run(self._http.fetch_all, wanted) if wanted else []
        self._blocks |= {number: block.body for number, block in zip(lacking, blocks, strict=True)}


def _children(node: bytes) -> list[int]:
    """Return where the leaves are if `node` is the root of the index of all chunks, which the library reads one by one.

    A node of a version 1 B-tree of chunks in three dimensions (HDF5 file format specification, III.A.1): signature,
    type, level, entries used, two siblings; then keys of 40 bytes and addresses of 8 in turn, as little-endian numbers.
    """
    if not node.startswith(b"TREE\x01") or node[5] == 0:
        return []
    used = int.from_bytes(node[6:8], "little")
    at = [24 + 40 + entry * 48 for entry in range(used)]
    return [int.from_bytes(node[begin : begin + 8], "little") for begin in at]


class RemoteVariable:
    """One variable of a file at a URL over a region, in SI units, read forward in time and no chunk twice."""

    def __init__(self, http: Https, url: str, name: str, spelling: str, region: Region) -> None:
        self.name, self.where = name, short_name(url)
        self.file = RemoteFile(http, url)
        # Left open, a file that reads through Python is closed by the HDF5 library after Python has gone: a crash.
        with contextlib.ExitStack() as opened:
            with self._reading():
                hdf5 = opened.enter_context(h5py.File(self.file, "r"))
                if spelling not in hdf5:
                    raise missing([name], list(hdf5), self.where)
                self._values = hdf5[spelling]
                axes = {axis: _coordinate(hdf5, axis, self.where) for axis in DIMS}
                self._index = _chunk_index(self._values) if self._values.chunks else {}
            raw = xr.decode_cf(xr.Dataset(coords=axes))
            if self._values.shape != tuple(raw.sizes[axis] for axis in DIMS):
                raise InputError(
                    f"{spelling} in {self.where} has the shape {self._values.shape}, not that of its axes."
                )
            self.times = layout.valid_times(raw, (None, None), self.where)[1]
            self._rows, self._columns = layout.horizontal_axes(raw, region, self.where)
            self._opened = opened.pop_all()
        self._chunks = self._values.chunks or (24, *self._values.shape[1:])
        self._slabs: dict[int, np.ndarray] = {}

    def close(self) -> None:
        """Close the file."""
        self._opened.close()

    def hours(self, times: pd.DatetimeIndex) -> slice:
        """Return where consecutive hours stand in the file; raise InputError where it lacks one."""
        first = self.times.get_indexer(times[:1])[0]
        found = self.times[first : first + len(times)] if first >= 0 else times[:0]
        if not found.equals(times):
            raise InputError(
                f"{self.where} lacks hours from {times[0]} to {times[-1]}; it holds {len(self.times)} times, "
                f"{self.times[0]} to {self.times[-1]}."
            )
        return slice(first, first + len(times))

    def lacking(self, hours: slice) -> list[Range]:
        """Return the byte ranges of the chunks that `read` will need for the hours and that are not at hand."""
        numbers = [number for number in self._slabs_of(hours) if number not in self._slabs]
        rows, columns = (
            sorted({i // chunk for run in axis.runs for i in range(*run.indices(size))})
            for axis, chunk, size in zip(
                (self._rows, self._columns), self._chunks[1:], self._values.shape[1:], strict=True
            )
        )
        wanted = (self._index.get(at) for at in itertools.product(numbers, rows, columns))
        return [where for where in wanted if where is not None]

    def read(self, hours: slice) -> np.ndarray:
        """Return (time, latitude, longitude) of the hours; what is left of their last chunks is kept for the next."""
        numbers = self._slabs_of(hours)
        self._slabs = {number: slab for number, slab in self._slabs.items() if number >= numbers[0]}
        for number in numbers:
            if number not in self._slabs:
                self._slabs[number] = self._slab(number)
        self.file.ahead.clear()
        begins = [number * self._chunks[0] for number in numbers]
        return np.concatenate(
            [
                self._slabs[number][max(hours.start - begin, 0) : hours.stop - begin]
                for number, begin in zip(numbers, begins, strict=True)
            ]
        )

    def _slabs_of(self, hours: slice) -> range:
        return range(hours.start // self._chunks[0], (hours.stop - 1) // self._chunks[0] + 1)

    def _slab(self, number: int) -> np.ndarray:
        time = slice(number * self._chunks[0], (number + 1) * self._chunks[0])
        with self._reading():
            units, fill = (self._values.attrs.get(key) for key in ("units", "_FillValue"))
            parts = [[self._values[time, row, column] for column in self._columns.runs] for row in self._rows.runs]
        values = np.concatenate([np.concatenate(part, axis=-1) for part in parts], axis=-2).astype(np.float32)
        if fill is not None:
            values[values == np.float32(np.asarray(fill).item())] = np.nan
        return to_si(self.name, values, _text(units), self.where).astype(np.float32, copy=False)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            with readable(self.where):
                yield
        except InputError:
            if self.file.failure is not None:
                raise self.file.failure from None
            raise


def fetch_ahead(http: Https, variables: Sequence[RemoteVariable], hours: Sequence[slice]) -> None:
    """Fetch together the chunks that reading these hours of the variables, a slice for each, still needs."""
    wanted = [
        (variable.file, begin, end)
        for variable, span in zip(variables, hours, strict=True)
        for begin, end in variable.lacking(span)
    ]
    answers = http.run(http.fetch_all, [(file.url, begin, end, file.etag) for file, begin, end in wanted])
    for (file, begin, _), answer in zip(wanted, answers, strict=True):
        file.ahead[begin] = answer.body


def _chunk_index(values: h5py.Dataset) -> dict[tuple[int, ...], Range]:
    index: dict[tuple[int, ...], Range] = {}

    def note(chunk: h5py.h5d.StoreInfo) -> None:
        number = tuple(at // size for at, size in zip(chunk.chunk_offset, values.chunks, strict=True))
        index[number] = (chunk.byte_offset, chunk.byte_offset + chunk.size)

    values.id.chunk_iter(note)
    return index


def _coordinate(hdf5: h5py.File, name: str, where: str) -> xr.Variable:
    if name not in hdf5:
        raise InputError(f"{where} has no {name}; it holds {', '.join(hdf5)}.")
    attrs = {key: text for key in ("units", "calendar") if (text := _text(hdf5[name].attrs.get(key)))}
    return xr.Variable((name,), hdf5[name][:], attrs)


def _text(value: object) -> str | None:
    return value.decode() if isinstance(value, bytes) else None if value is None else str(value)
