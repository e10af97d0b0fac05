"""Try a request again where the fault may pass, ever later; say at last what stood in the way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from typhoon_tracker.sources.base import NetworkError

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """How often a request is tried and how long it is waited for, in seconds.

    The wait before try n + 1 is wait * 2**(n - 1), at most `longest_wait`, shortened at random by up to a half so that
    many requests that failed together do not come back together.
    """

    tries: int = 5
    wait: float = 1.0
    longest_wait: float = 30.0
    connect: float = 10.0  # to connect
    silence: float = 30.0  # between two pieces of an answer
    whole: float = 300.0  # for a whole answer, so that a trickle ends too

    def pause(self, tried: int, asked: float) -> float:
        """Return the seconds to wait after `tried` tries; `asked` is what the server asks for at least."""
        backoff = min(self.wait * 2.0 ** (tried - 1), self.longest_wait)
        return max(backoff * random.uniform(0.5, 1.0), min(asked, self.longest_wait))


class Fault(Exception):
    """What went wrong with one try, whether it may pass, and how long the server asks to wait (s)."""

    def __init__(self, said: str, *, passes: bool, wait: float = 0.0) -> None:
        super().__init__(said)
        self.said, self.passes, self.wait = said, passes, wait


async def patiently(attempt: Callable[[], Awaitable[T]], url: str, patience: Patience, *, way_out: str) -> T:
    """Return what `attempt` gives, tried again with exponential backoff while it raises a Fault that may pass.

    Raises NetworkError, with the last fault's words, for one that does not and after the last try.
    """
    tried = 0
    while True:
        tried += 1
        try:
            return await attempt()
        except Fault as fault:
            if not fault.passes or tried >= patience.tries:
                raise NetworkError(url, fault.said, tries=tried, way_out=way_out) from fault
            await asyncio.sleep(patience.pause(tried, fault.wait))
