"""Years of hourly fields packed into one Zarr store, a day a chunk, written as the days arrive.

It grows as `PATH.part` and takes its name when it is whole. `progress.json` in it says how many days are done and is
renewed after the day's chunks are, so whatever stops the writing, the same call goes on from the last whole day.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from typhoon_tracker.besttrack.split import LAST_TRAINING_SEASON
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE, validate
from typhoon_tracker.geo.grid import PAPER_REGION, Region
from typhoon_tracker.sources.base import DaySource, Progress
from typhoon_tracker.sources.dayfile import HOURS, Damaged, mismatch
from typhoon_tracker.sources.packing import MAX_LEAD, Loss, Moments, pack, unpack
from typhoon_tracker.sources.training_store import (
    Order,
    TrainingSet,
    check_zarr,
    describe,
    lay_out,
    read_order,
    statistics_path,
)
from typhoon_tracker.sources.whole import check_room, sweep, write_whole, written

if TYPE_CHECKING:
    import zarr

_WAY_OUT = "what is done is kept and the same command goes on from there; make room or choose another disk."


def build(
    source: DaySource,
    span: tuple[dt.date, dt.date],
    path: Path,
    *,
    region: Region = PAPER_REGION,
    progress: Progress | None = None,
) -> TrainingSet:
    """Write the days from `span[0]` to `span[1]` to the Zarr store `path`, or go on with it, in constant memory.

    Each variable is one int16 array (time, latitude, longitude) with CF scale_factor and add_offset, and the packing's
    largest and rms error in its attributes. Beside it stand, as JSON, the statistics of the training years.
    Raises InputError where `path` holds something else, another process writes it, the disk fills, the source fails or
    a value does not fit.
    """
    check_zarr()
    order = Order(source.name, *span, region)
    if path.exists():
        return describe(path, order)
    part = path.with_name(f"{path.name}.part")
    check_room(path.parent, order.bytes_of(len(days_left(path, order))), f"{path}", way_out="choose another disk.")
    with _alone(path):
        if path.exists():  # by a process that has just finished
            return describe(path, order)
        state = _begin(part, order)
        _write_days(source, part, order, state, progress)
        return _finish(part, path, order, state)


def days_left(path: Path, order: Order) -> list[dt.date]:
    """Return the days that a call of `build` has still to read."""
    if path.exists():
        return []
    state = _read_state(path.with_name(f"{path.name}.part"))
    return order.days[state["days"] :] if state and read_order(state["order"]) == order else order.days


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock of a store; the system frees it when its process dies, however it dies."""
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
    with written(path, way_out=_WAY_OUT):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout:
            raise InputError(f"another process is writing {path}; wait for it or choose another name.") from None
    try:
        yield
    finally:
        lock.release()
    Path(lock.lock_file).unlink(missing_ok=True)


def _begin(part: Path, order: Order) -> dict[str, Any]:
    state = _read_state(part)
    if state:
        if read_order(state["order"]) != order:
            raise InputError(
                f"{part} was begun as {read_order(state['order'])}, not {order}; remove it or choose another name."
            )
        return state
    shutil.rmtree(part, ignore_errors=True)  # killed before its first mark: nothing in it counts
    with written(part, way_out=_WAY_OUT):
        lay_out(part, order)
    state = {
        "order": order.record(),
        "days": 0,
        "sources": [],
        "loss": {name: asdict(Loss()) for name in CORE},
        "moments": asdict(Moments()),
    }
    _write_state(part, state)
    return state


def _write_days(source: DaySource, part: Path, order: Order, state: dict[str, Any], progress: Progress | None) -> None:
    import zarr

    group = zarr.open_group(part, mode="r+")
    todo = order.days[state["days"] :]
    moments = Moments(**state["moments"])
    losses = {name: Loss(**state["loss"][name]) for name in CORE}
    past = _tail(group, state["days"] * HOURS)
    arriving = iter(source.days(todo, order.region, progress=progress) if todo else ())
    for day in todo:
        fields = next(arriving, None)
        if fields is None:
            raise InputError(f"{source.name} ended before {day}; {state['days']} days are kept.")
        try:
            mismatch(fields, day, order.region)
        except Damaged as fault:
            raise InputError(f"what {source.name} gave for {day} {fault}.") from fault
        validate(fields, hourly=True)
        begin = state["days"] * HOURS
        frames = {name: pack(name, fields[name].values) for name in CORE}
        for name in CORE:
            with written(part, way_out=_WAY_OUT):
                group[name][begin : begin + HOURS] = frames[name]  # type: ignore[index]
            losses[name].add(fields[name].values, unpack(name, frames[name]))
        if day.year <= LAST_TRAINING_SEASON:
            moments.add(frames, past)
        past = {name: frames[name][-MAX_LEAD:] for name in CORE}
        state["days"] += 1
        state["sources"] = sorted({*state["sources"], fields.attrs["source"]})
        state["moments"], state["loss"] = asdict(moments), {name: asdict(loss) for name, loss in losses.items()}
        _write_state(part, state)


def _tail(group: zarr.Group, frames: int) -> dict[str, np.ndarray]:
    """The last frames before frame number `frames`, as packed."""
    return {name: np.asarray(group[name][max(0, frames - MAX_LEAD) : frames]) for name in CORE}  # type: ignore[index]


def _finish(part: Path, path: Path, order: Order, state: dict[str, Any]) -> TrainingSet:
    import zarr

    group = zarr.open_group(part, mode="r+")
    for name in CORE:
        loss = Loss(**state["loss"][name])
        group[name].attrs.update({"packing_max_error": loss.largest, "packing_rms_error": loss.rms})
    group.attrs.update(
        {
            "Conventions": "CF-1.10",
            "title": f"Hourly fields {order}",
            "source": "; ".join(state["sources"]),
            "training_set": order.record(),
        }
    )
    with written(path, way_out=_WAY_OUT), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # no part of Zarr 3 yet; who does not know it passes over it
        zarr.consolidate_metadata(part)
    moments = Moments(**state["moments"])
    if moments.values:
        record = {
            "variables": list(CORE),
            **moments.statistics(),
            "first": str(order.first),
            "last": str(min(order.last, dt.date(LAST_TRAINING_SEASON, 12, 31))),
            "frames": moments.values // (order.region.shape[0] * order.region.shape[1]),
            "region": str(order.region),
            "source": "; ".join(state["sources"]),
        }
        write_whole(statistics_path(path), (json.dumps(record, indent=1) + "\n").encode(), way_out=_WAY_OUT)
    with written(path, way_out=_WAY_OUT):
        for left in part.rglob("*.partial"):
            left.unlink()
        os.rename(part, path)
        _state_path(path).unlink()  # after: a store without it is begun anew
    return describe(path, order)


def _state_path(part: Path) -> Path:
    return part / "progress.json"


def _read_state(part: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(_state_path(part).read_text()))
    except FileNotFoundError:
        return {}


def _write_state(part: Path, state: dict[str, Any]) -> None:
    sweep(part)
    write_whole(_state_path(part), json.dumps(state).encode(), way_out=_WAY_OUT)
