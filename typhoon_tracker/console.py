"""What a person at the terminal sees: progress, one-sentence errors, exit codes."""

from __future__ import annotations

import os
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
        if stop.code != INTERRUPTED:
            raise
        _say("interrupted; nothing was half-written")
        sys.stdout.flush()
        # CPython gives no exit code but ends by the signal where this had struck within an `exec`, as of dataclasses.
        os._exit(INTERRUPTED)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def hours(lead: str) -> int:
    """Return a lead time such as "3h" or "3" in hours; InputError where it is not a positive number of whole hours."""
    text = lead.strip().lower().removesuffix("h")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not value >= 1 or not value.is_integer():
        raise InputError(f"lead {lead!r} is not a positive multiple of the hourly step; give one such as 3h.")
    return int(value)


def times(text: str) -> pd.DatetimeIndex:
    """Return the one time that `text` names, in UTC; InputError where it is none."""
    import pandas as pd

    try:
        time = pd.to_datetime([text], utc=True).tz_localize(None).as_unit("ns")
    except ValueError:
        time = pd.DatetimeIndex([])
    if not len(time.dropna()):
        raise InputError(f"init {text!r} is not a time; give one such as 2023-05-27T00.")
    return time


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Give a callback (stage, done, total) that draws a bar per stage on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:>22}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
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
