"""What a person sees while data arrive: how much is to come, how fast it comes, and a table at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt

    from rich.console import Console

    from typhoon_tracker.sources.base import DaySource

ASSUMED_SPEED = 10e6  # bytes a second, for the time told before anything has arrived


class Meter:
    """Counts the bytes that arrive, shows them, and says at the end how fast they came."""

    def __init__(self, advance: Callable[[int], object]) -> None:
        self._advance = advance
        self._began = time.perf_counter()
        self.bytes = 0

    def __call__(self, some: int) -> None:
        self.bytes += some
        self._advance(some)

    def facts(self) -> dict[str, str]:
        seconds = time.perf_counter() - self._began
        read = f"{self.bytes / 1e6:.1f} MB in {seconds:.1f} s, {self.bytes / 1e6 / seconds:.1f} MB/s"
        return {"read": read if self.bytes else "nothing"}


@contextmanager
def metered(source: DaySource, days: Sequence[dt.date], console: Console) -> Iterator[Meter]:
    """Say how much there is to read and about how long it takes, and draw a bar while it arrives."""
    from rich.console import Console as Terminal
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    from typhoon_tracker.geo.grid import PAPER_REGION

    total = source.estimate(days, PAPER_REGION) if days else 0
    if days:
        seconds = total / ASSUMED_SPEED
        lasting = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:,.0f} minutes"
        console.print(
            f"{len(days)} days to fetch from {source.label}: about {total / 1e6:,.0f} MB, "
            f"{lasting} at {ASSUMED_SPEED / 1e6:g} MB/s"
        )
    terminal = Terminal(stderr=True)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal, transient=True, disable=not (days and terminal.is_terminal)) as bars:
        task = bars.add_task("ERA5", total=total)
        yield Meter(lambda some: bars.advance(task, some))


def show(console: Console, facts: dict[str, str], *, title: str) -> None:
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, fact in facts.items():
        table.add_row(name, fact)
    console.print(table, soft_wrap=False)
