"""Fields on disk as a series of times that is read block by block, so that years take no more memory than a day."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from typhoon_tracker.errors import InputError
from typhoon_tracker.sources import layout
from typhoon_tracker.sources.files import expand, open_files
from typhoon_tracker.sources.names import find
from typhoon_tracker.sources.readers import open_raw, short_name
from typhoon_tracker.tracker.frame import BLOCK_BYTES, RIDERS

WANTED = ("msl", "u10", "v10", *RIDERS)


@dataclass(frozen=True, eq=False)
class Part:
    """What one file holds: its times, the variables the tracker uses and the points of its grid."""

    path: str
    times: pd.DatetimeIndex
    variables: tuple[str, ...]
    points: int


@dataclass(frozen=True)
class Block:
    """A stretch of time of the fields in some files, read when asked for; it travels between processes as names."""

    paths: tuple[tuple[str, tuple[str, ...]], ...]  # path, variables
    first: pd.Timestamp
    last: pd.Timestamp

    def load(self) -> xr.Dataset:
        """Return the block's fields in the contract's form; raise InputError as `open_files` does."""
        span = (self.first, self.last)
        loaded = [open_files(path, times=span, variables=names)[list(names)] for path, names in self.paths]
        if len(loaded) == 1:
            return loaded[0]
        names = list(dict.fromkeys(str(name) for part in loaded for name in part.data_vars))
        joined = []
        try:
            for name in names:
                pieces = [part[[name]] for part in loaded if name in part]
                joined.append(xr.concat(pieces, "time", join="exact").sortby("time") if len(pieces) > 1 else pieces[0])
            return xr.merge(joined, join="exact", combine_attrs="override")
        except ValueError as error:
            raise InputError(
                f"the files of {self.first} to {self.last} do not fit together: they differ in grid or times."
            ) from error


def scan(path: str) -> list[Part]:
    """Return what the files of a path, URL or pattern hold, fields unread; raise InputError where that is nothing."""
    parts, holds = [], []
    for file in expand(path):
        with open_raw(file, WANTED) as (raws, names):
            holds += names
            for raw in raws:
                spelled = {name: spelling for name in WANTED if (spelling := find(raw, name)) is not None}
                if not spelled:
                    continue
                raw = layout.squeeze(raw)
                _, times = layout.valid_times(raw, (None, None), short_name(file))
                rows, columns = layout.horizontal_axes(raw, None, short_name(file))
                parts.append(Part(file, times, tuple(spelled), len(rows.values) * len(columns.values)))
    if not parts:
        have = ", ".join(dict.fromkeys(map(str, holds))) or "none"
        raise InputError(f"{path} has no {', '.join(WANTED[:3])} to track storms in; it holds: {have}.")
    return parts


def blocks(parts: Sequence[Part], *, workers: int = 1) -> list[Block]:
    """Return the fields of files as `scan` found them as blocks of time, in order, each small enough for the memory.

    They are as many as give each of the workers the same number of them, and about the same number of times.
    """
    times = pd.DatetimeIndex(np.unique(np.concatenate([part.times.values for part in parts])))
    held = {name for part in parts for name in part.variables}
    size = max(1, int(BLOCK_BYTES / (4 * len(held) * max(part.points for part in parts))))
    count = min(workers * math.ceil(len(times) / (workers * size)), len(times))
    made = []
    for stretch in np.array_split(np.arange(len(times)), count):
        first, last = times[stretch[0]], times[stretch[-1]]
        paths: dict[str, tuple[str, ...]] = {}
        for part in parts:
            if ((part.times >= first) & (part.times <= last)).any():
                paths[part.path] = tuple(dict.fromkeys((*paths.get(part.path, ()), *part.variables)))
        made.append(Block(tuple(paths.items()), first, last))
    return made
