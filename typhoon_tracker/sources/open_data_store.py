"""Fetch steps of ECMWF forecasts from its open data, or a place with the same layout, into a folder."""

from __future__ import annotations

import contextlib
import io
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from typhoon_tracker.errors import InputError
from typhoon_tracker.sources.answers import PASSING, Refusal, refusal
from typhoon_tracker.sources.base import NetworkError, Progress
from typhoon_tracker.sources.retry import Patience

PARAMETERS = ("msl", "10u", "10v", "2t")
KEPT_DAYS = 3  # before a fetched file is removed
ELSEWHERE = "another place that holds the same (aws, google)"


class Absent(InputError):
    """A step is not there, or not there yet."""


class OpenDataStore:
    """The open data at `endpoint`: "ecmwf", "aws", "google" or the URL of another place with the same layout."""

    def __init__(self, folder: Path, endpoint: str, *, patience: Patience, status: Callable[[str], object]) -> None:
        self.folder, self.endpoint, self.patience, self.status = folder, endpoint, patience, status
        self._client: Any = None

    def fetch(self, cycle: pd.Timestamp, step: int, progress: Progress | None) -> Path:
        """Return the GRIB file of one step, fetched where it is not in the folder.

        Raises Absent where the place lacks it, NetworkError where the place stays out of reach.
        """
        path = self.folder / f"{cycle:%Y%m%d%H}0000-{step}h-oper-fc.grib2"
        if path.exists():
            return path
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        part = path.with_suffix(".part")
        self._patiently(cycle, step, part)
        held = _messages(part)
        if held != len(PARAMETERS):
            part.unlink()
            raise Absent(f"{path.name} at {self._client.url} has {held} of {', '.join(PARAMETERS)}.")
        part.replace(path)
        if progress:
            progress(path.stat().st_size)
        return path

    def _patiently(self, cycle: pd.Timestamp, step: int, target: Path) -> None:
        import requests

        client, what = self._connected(), f"step {step} h of {cycle:%Y-%m-%d %H}Z"
        for tried in itertools.count(1):
            try:
                return _retrieve(client, cycle, step, target)
            except requests.RequestException as error:
                no = refusal(error)
                if no.status == 404:
                    raise Absent(f"{client.url} has no {what} (404 Not Found).") from error
                passes = no.status is None or no.status in PASSING
            except ValueError as error:  # not a JSON line, or no such field
                raise Absent(f"the index of {what} at {client.url} cannot be used ({error}).") from error
            except (
                AssertionError,
                KeyError,
                RuntimeError,
            ) as error:  # what the library makes of a byte range cut short
                no, passes = Refusal(None, f"it sent other byte ranges than those asked for ({error})"), True
            if not passes or tried == self.patience.tries:
                way_out = f"Try again later, or from {ELSEWHERE}."
                raise NetworkError(client.url, no.said, tries=tried, way_out=way_out)
            pause = self.patience.pause(tried, no.wait)
            self.status(f"{client.url}: {no.said}; trying {what} again in {pause:.0f} s")
            time.sleep(pause)

    def _connected(self) -> Any:
        if self._client is not None:
            return self._client
        try:
            from ecmwf.opendata import Client
        except ImportError as error:
            raise InputError(
                f"open data need ecmwf-opendata ({error}); pip install 'typhoon-tracker[era5]'."
            ) from error
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                self._client = Client(source=self.endpoint, maximum_retries=1)  # `_patiently` asks again, and says so
        except ValueError as error:
            raise InputError(
                f"{self.endpoint!r} is no place of open data; give ecmwf, aws, google or a URL."
            ) from error
        session, timeout = self._client.session, (self.patience.connect, self.patience.silence)
        send = session.send
        # The library sets no limit, and a server that falls silent would hold the call for ever.
        session.send = lambda *a, **k: send(*a, **(k | {"timeout": k.get("timeout") or timeout}))
        return self._client

    def _sweep(self) -> None:
        for path in self.folder.glob("*-oper-fc.*"):
            if time.time() - path.stat().st_mtime > KEPT_DAYS * 86400.0:
                path.unlink(missing_ok=True)


def _retrieve(client: Any, cycle: pd.Timestamp, step: int, target: Path) -> None:
    # The library draws bars of its own and prints the licence.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        client.retrieve(
            date=f"{cycle:%Y%m%d}",
            time=cycle.hour,
            step=step,
            stream="oper",  # the library knows that until May 2026 those of 06 and 18Z were called scda
            type="fc",
            param=list(PARAMETERS),
            target=str(target),
        )


def _messages(path: Path) -> int:
    """Count the GRIB messages that a file holds whole."""
    content, count, place = path.read_bytes(), 0, 0
    while content[place : place + 4] == b"GRIB":
        end = place + int.from_bytes(content[place + 8 : place + 16], "big")  # edition 2: section 0 tells the length
        if content[end - 4 : end] != b"7777":
            break
        count, place = count + 1, end
    return count
