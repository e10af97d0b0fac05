"""What a person at the terminal sees: progress, one-sentence errors, exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import typer

from typhoon_tracker.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
USAGE_ERROR, INTERRUPTED = 2, 130
STAGES = {"fields": "reconstructing fields", "forecast": "forecasting"}


def call(app: typer.Typer) -> None:
    """Run a command line: exit 0, 2 with one sentence for bad input, 130 for Ctrl-C."""
    try:
        app()
    except InputError as error:
        _say(f"error: {error}")
        sys.exit(USAGE_ERROR)
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            _say("interrupted; nothing was half-written")
        raise


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def hours(lead: str) -> int:
    """Return a lead time such as "3h" or "3" in hours; InputError where it is not a positive number of whole hours."""
    text = lead.strip().lower().removesuffix("h")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not value >= 1 or value != int(value):
        raise InputError(f"lead {lead!r} is not a positive multiple of the hourly step; give one such as 3h.")
    return int(value)


def times(text: str) -> pd.DatetimeIndex:
    """Return the one time that `text` names, in UTC; InputError where it is none."""
    import pandas as pd

    time = pd.to_datetime(text, errors="coerce")
    if not isinstance(time, pd.Timestamp):
        raise InputError(f"{text!r} is not a time; give one such as 2023-05-27T00.")
    return pd.DatetimeIndex([time.tz_convert(None) if time.tz else time]).as_unit("ns")


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Give a callback (stage, done, total) that draws a bar per stage on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:>22}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, object] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(STAGES.get(stage, stage), total=total)
            bars.update(tasks[stage], completed=done, total=total)  # type: ignore[arg-type]

        yield show


def counted(items: Sequence[T], show: Callable[[str, int, int], None], stage: str) -> Iterator[T]:
    """Yield the items and show how many are done."""
    for done, item in enumerate(items, start=1):
        yield item
        show(stage, done, len(items))
