"""Write files whole or not at all, whenever the process is killed and however full the disk is."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from typhoon_tracker.errors import InputError

ABANDONED_S = 3600.0  # a temporary file older than this belongs to no process that still writes it


def write_whole(path: Path, content: bytes, *, way_out: str) -> None:
    """Write `content` under another name in the same folder, which is made if need be, and rename it.

    Raises InputError that ends with `way_out` where the folder or disk does not take the file; the former file stays.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    with written(path, way_out=way_out):
        _write(path, temporary, content)


@contextlib.contextmanager
def written(path: Path, *, way_out: str) -> Iterator[None]:
    """Turn what the system says against writing `path` into an InputError that ends with `way_out`."""
    try:
        yield
    except OSError as exc:
        raise InputError(f"{path} cannot be written: {exc.strerror or exc}; {way_out}") from exc


def check_room(folder: Path, need: int, what: str, *, way_out: str) -> None:
    """Raise InputError where the disk of `folder`, there or not yet, has fewer than `need` bytes free."""
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    free = shutil.disk_usage(there).free
    if need > free:
        raise InputError(f"{what} may take {need / 1e9:.2f} GB and {there} has {free / 1e9:.2f} GB free; {way_out}")


def _write(path: Path, temporary: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # some disks find out only now that they are full
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def sweep(folder: Path, *, older_than: float = ABANDONED_S) -> None:
    """Remove the temporary files that killed processes left in a folder."""
    for left in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime >= older_than:
                left.unlink()
