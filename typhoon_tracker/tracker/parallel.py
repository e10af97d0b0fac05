"""The storms of fields on disk, block of time by block, in this process or over the workers of a dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd

from typhoon_tracker.errors import InputError
from typhoon_tracker.tracker.frame import frames
from typhoon_tracker.tracker.series import Block, blocks, scan
from typhoon_tracker.tracker.settings import DEFAULT, Settings
from typhoon_tracker.tracker.storms import find_fixes, join

Progress = Callable[[str, int, int], None]  # stage, done, of how many


def track_files(
    path: str,
    *,
    settings: Settings = DEFAULT,
    workers: int = 1,
    cluster: str | None = None,
    progress: Progress = lambda *_: None,
) -> pd.DataFrame:
    """Return the tracks of all storms in the fields of a path, URL or pattern, as `find_storms` does.

    With `workers` processes, or those of the dask cluster at an address, the result is the same to the last bit: a
    frame's fixes depend on no other frame, and the tracks are made of all of them here. Raises InputError for fields
    that cannot be read, workers below 1, and a cluster that cannot be reached.
    """
    if workers < 1:
        raise InputError(f"the number of workers is {workers}; it must be 1 or more.")
    found = scan(path)
    todo = blocks(found, workers=workers)
    if workers == 1 and cluster is None:
        parts = _counted((fixes_of(block, settings) for block in todo), len(todo), progress)
        return join(parts, settings=settings)
    with _client(min(workers, len(todo)), cluster) as client:
        if cluster is not None:
            todo = blocks(found, workers=max(1, sum(client.nthreads().values())))
        futures = client.map(fixes_of, todo, settings=settings, pure=False)
        return join(_counted(_gathered(futures), len(todo), progress), settings=settings)


def fixes_of(block: Block, settings: Settings) -> pd.DataFrame:
    """Return the fixes of all storms in a block of time."""
    fields = block.load()
    mass = "msl" if "msl" in fields else "z500" if "z500" in fields else "vorticity"
    return find_fixes(frames(fields, mass=mass), settings=settings, mass=mass)


def _counted(parts: Iterator[pd.DataFrame], total: int, progress: Progress) -> list[pd.DataFrame]:
    found = []
    for part in parts:
        found.append(part)
        progress("tracking storms", len(found), total)
    return found


def _gathered(futures: Sequence[Any]) -> Iterator[pd.DataFrame]:
    for future in futures:
        yield future.result()


@contextmanager
def _client(workers: int, cluster: str | None) -> Iterator[Any]:
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise InputError(
            f"several workers need a library that is missing ({error}); pip install 'typhoon-tracker[cluster]'."
        ) from error
    if cluster is not None:
        try:
            client = Client(cluster, timeout="10s")
        except (OSError, ValueError) as error:
            raise InputError(f"the dask cluster {cluster!r} cannot be reached ({error}).") from error
        with client:
            yield client
        return
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None) as local,
        Client(local) as client,
    ):
        yield client
