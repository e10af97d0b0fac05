"""Training windows over a Zarr store or netCDF files of any length, in constant memory.

A window is `frames_in + frames_out` consecutive hourly frames. Frames are decoded in blocks of whole chunks, of which a
bounded number is kept; `BlockShuffle` visits the windows so that those which share a block come near one another.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from typhoon_tracker.besttrack.split import LAST_TRAINING_SEASON
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.archive import Archive

HOUR = pd.Timedelta(hours=1)
CACHE_BYTES = 512 * 2**20  # of decoded blocks, in each process that reads
LEAST_BLOCK = 12  # frames: with smaller chunks the calls would cost more than the decoding
NEIGHBOURS = 4  # blocks read in a row for each that is read beyond the last of them


class FieldWindows(Dataset[Tensor]):
    """Every window of the split: item i is (frames_in + frames_out, N, H, W), float32, SI units, north to south.

    The frames of a window are an hour apart and valid within the years `seasons` (first, last); windows begin `step`
    frames apart. With `size`, a window is a crop of size x size points drawn from (seed, epoch, i). A process keeps
    `cache_bytes` of decoded frames, and never less than one window needs.

    Raises InputError for an archive without such a window; on access, for a NaN in one.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        seasons: tuple[int, int],
        frames_in: int,
        frames_out: int,
        step: int = 1,
        variables: Sequence[str] = CORE,
        size: int | None = None,
        region: Region | None = None,
        seed: int = 0,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.archive = Archive(source, variables=variables, region=region)
        self.seasons, self.frames_in, self.frames_out, self.size, self.seed = seasons, frames_in, frames_out, size, seed
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # so that living workers see the next epoch
        self.starts = window_starts(self.archive.times, seasons, frames_in + frames_out, step)
        self._check()
        chunk, length = self.archive.chunk, frames_in + frames_out
        frame_bytes = 4 * len(self.archive.variables) * len(self.archive.latitude) * len(self.archive.longitude)
        most = max(LEAST_BLOCK, cache_bytes // (2 * frame_bytes))
        self.block = min(chunk * -(-LEAST_BLOCK // chunk), most)  # frames decoded at once
        self.spill = -(-(length - 1) // self.block)  # blocks into which a window may run beyond its first
        self.blocks_kept = max(self.spill + 1, cache_bytes // (self.block * frame_bytes))
        self._blocks: OrderedDict[int, tuple[np.ndarray, np.ndarray]] = OrderedDict()

    @property
    def times(self) -> pd.DatetimeIndex:
        """The init times of the windows: their last input frames."""
        return self.archive.times[self.starts + self.frames_in - 1]

    def set_epoch(self, epoch: int) -> None:
        """Draw the crops of another epoch from now on, in the workers too."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, i: int) -> Tensor:
        i = range(len(self))[i]
        start, length = int(self.starts[i]), self.frames_in + self.frames_out
        rows, columns = self._crop(i)
        shape = length, len(self.archive.variables), rows.stop - rows.start, columns.stop - columns.start
        window = np.empty(shape, np.float32)
        for k in range(start // self.block, (start + length - 1) // self.block + 1):
            values, whole = self._decoded(k)
            first = k * self.block
            inside = slice(max(start - first, 0), start + length - first)
            there = slice(max(first - start, 0), max(first - start, 0) + len(whole[inside]))
            window[there] = values[inside, :, rows, columns]
            if not whole[inside].all():
                self._refuse_nan(window[there], start + there.start)
        return torch.from_numpy(window)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_blocks": OrderedDict()}

    def _check(self) -> None:
        times, length = self.archive.times, self.frames_in + self.frames_out
        if not len(self.starts):
            first, last = self.seasons
            raise InputError(
                f"{self.archive.path} holds no {length} frames in a row, an hour apart, of {first} to {last}; its "
                f"{len(times)} times run from {times[0]} to {times[-1]}."
            )
        height, width = len(self.archive.latitude), len(self.archive.longitude)
        if self.size is not None and not 1 <= self.size <= min(height, width):
            raise InputError(f"a crop of {self.size} points does not fit the grid of {height} x {width} points.")

    def _crop(self, i: int) -> tuple[slice, slice]:
        shape = len(self.archive.latitude), len(self.archive.longitude)
        if self.size is None:
            return slice(0, shape[0]), slice(0, shape[1])
        random = np.random.default_rng((self.seed, int(self._epoch), i))
        row, column = random.integers(np.subtract(shape, self.size) + 1)
        return slice(int(row), int(row) + self.size), slice(int(column), int(column) + self.size)

    def _decoded(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Block k (frames, N, H, W), and which of its frames are whole."""
        if k not in self._blocks:
            while len(self._blocks) >= self.blocks_kept:
                self._blocks.popitem(last=False)
            values = self.archive.read(k * self.block, min((k + 1) * self.block, len(self.archive.times)))
            self._blocks[k] = values, np.isfinite(values).all((1, 2, 3))
        self._blocks.move_to_end(k)
        return self._blocks[k]

    def _refuse_nan(self, frames: np.ndarray, first: int) -> None:
        bad = ~np.isfinite(frames)
        if bad.any():
            frame, variable = np.argwhere(bad.any((2, 3)))[0]
            raise InputError(
                f"{self.archive.variables[variable]} has {int(bad[frame, variable].sum())} NaN or infinite values at "
                f"{self.archive.times[first + frame]} in {self.archive.path}; fill them or leave that time out."
            )


def window_starts(times: pd.DatetimeIndex, seasons: tuple[int, int], length: int, step: int) -> np.ndarray:
    """Return the first frame of every window of `length` hourly frames within the years `seasons`, `step` frames apart.

    A gap in the times, or the end of the years, ends a run of frames; windows are counted from the begin of each run.
    """
    inside = np.asarray((times.year >= seasons[0]) & (times.year <= seasons[1]))
    follows = np.concatenate([[False], (times[1:] - times[:-1] == HOUR) & inside[1:] & inside[:-1]])
    begins = np.flatnonzero(inside & ~follows)
    ends = np.flatnonzero(inside & ~np.append(follows[1:], False)) + 1
    runs = [np.arange(begin, end - length + 1, step) for begin, end in zip(begins, ends, strict=True)]
    return np.concatenate([np.arange(0), *runs])


class BlockShuffle(Sampler[int]):
    """Every window exactly once an epoch, shuffled so that each block is decoded about once while it is in memory.

    Runs of neighbouring blocks come in random order; the windows of as many runs as the windows' cache holds are
    shuffled together. The order depends on the arguments and the epoch alone. `start` windows of the first `epoch` are
    left out, for a run that is resumed there. With `workers` processes that read (of all ranks together), they take
    their batches of `batch_size` in turn from runs of their own, so that no two decode the same block.
    """

    def __init__(
        self,
        windows: FieldWindows,
        *,
        seed: int = 0,
        epoch: int = 0,
        start: int = 0,
        workers: int = 1,
        batch_size: int = 1,
    ) -> None:
        self.windows, self.seed, self.workers, self.batch_size = windows, seed, workers, batch_size
        self._resumed = epoch, start
        in_row = max(1, min(NEIGHBOURS * windows.spill, windows.blocks_kept - windows.spill))
        self._together = max(1, windows.blocks_kept // (in_row + windows.spill))  # runs shuffled together
        run = windows.starts // (windows.block * in_row)
        self._runs = np.split(np.arange(len(run)), np.flatnonzero(np.diff(run)) + 1)
        self.set_epoch(epoch)

    def set_epoch(self, epoch: int) -> None:
        """Take the order, and the crops, of another epoch; Lightning calls this itself."""
        self.epoch = epoch
        self.windows.set_epoch(epoch)

    def __len__(self) -> int:
        """The whole epoch, what a resumed run has seen of it too."""
        return len(self.windows)

    def __iter__(self) -> Iterator[int]:
        return islice(self._order(), self._resumed[1] if self.epoch == self._resumed[0] else 0, None)

    def _order(self) -> Iterator[int]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(len(self._runs))
        streams = [self._stream(order[worker :: self.workers], worker) for worker in range(self.workers)]
        while streams:
            for stream in list(streams):
                batch = list(islice(stream, self.batch_size))
                yield from batch
                if len(batch) < self.batch_size:
                    streams.remove(stream)

    def _stream(self, runs: np.ndarray, worker: int) -> Iterator[int]:
        random = np.random.default_rng((self.seed, self.epoch, worker))
        for k in range(0, len(runs), self._together):
            group = np.concatenate([self._runs[run] for run in runs[k : k + self._together]])
            yield from random.permutation(group).tolist()


def field_statistics(windows: FieldWindows, *, samples: int, seed: int = 0) -> dict[str, list]:
    """Return mean and standard deviation per variable, and the standard deviation of the change since the last input
    frame per lead and variable, from `samples` windows drawn at random (all, if there are fewer), one at a time.

    Raises InputError for windows of seasons after the training seasons.
    """
    if windows.seasons[1] > LAST_TRAINING_SEASON:
        raise InputError(
            f"statistics come from the training seasons, which end with {LAST_TRAINING_SEASON}; these windows are of "
            f"{windows.seasons[0]} to {windows.seasons[1]}."
        )
    count = min(samples, len(windows))
    chosen = np.sort(np.random.default_rng(seed).permutation(len(windows))[:count])
    past = windows.frames_in
    means, variances = [], []
    change = torch.zeros((), dtype=torch.float64)
    for i in chosen.tolist():
        x = windows[i].double()
        means.append(x.mean((0, 2, 3)))
        variances.append(x.var((0, 2, 3), correction=0))
        change = change + ((x[past:] - x[past - 1]) ** 2).mean((2, 3)) / count
    # Of windows of equal size: the mean of their variances and the variance of their means.
    mean, variance = torch.stack(means), torch.stack(variances)
    std = (variance.mean(0) + mean.var(0, correction=0)).sqrt()
    return {"mean": mean.mean(0).tolist(), "std": std.tolist(), "tendency_std": change.sqrt().tolist()}
