"""Public objects over HTTPS, whole or in byte ranges, many at a time, as an fsspec file system that retries.

The buckets of the archives are open to all, so that S3 and Google Cloud Storage need no client of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import weakref
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
from fsspec.asyn import get_loop, sync
from fsspec.implementations.http import HTTPFileSystem

from typhoon_tracker.errors import InputError
from typhoon_tracker.sources.base import Progress
from typhoon_tracker.sources.retry import Fault, Patience, patiently

T = TypeVar("T")
AT_ONCE = 16  # requests under way
_PASSES = {408, 429, 500, 502, 503, 504}
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass(frozen=True)
class Answer:
    """The bytes that came, the size of the object they are of, and its ETag where the server gives one."""

    body: bytes
    size: int
    etag: str | None


class Https(HTTPFileSystem):
    """A file system of URLs, to be used as a context manager, whose every read is patient and checked."""

    cachable = False

    def __init__(self, *, way_out: str, patience: Patience, progress: Progress | None = None) -> None:
        limits = aiohttp.ClientTimeout(total=patience.whole, sock_connect=patience.connect, sock_read=patience.silence)
        client = {
            "timeout": limits,
            "trust_env": True,  # proxies
            "headers": {"Accept-Encoding": "identity"},  # so that lengths count the bytes of the object
        }
        super().__init__(asynchronous=True, loop=get_loop(), client_kwargs=client)
        self.way_out, self.patience, self.progress = way_out, patience, progress
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._reached = False

    def __enter__(self) -> Https:
        session = self.run(self.set_session)
        # Closed at the latest before the interpreter ends its threads: an iterator left half read waits for ever else.
        self._close = weakref.finalize(self, self.close_session, get_loop(), session)
        return self

    def __exit__(self, *exc: object) -> None:
        self._close()

    def run(self, coroutine: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Return what the coroutine gives in the loop of this file system; for callers outside of it."""
        return sync(get_loop(), coroutine, *args, **kwargs)

    async def fetch(
        self, url: str, start: int | None = None, end: int | None = None, *, etag: str | None = None
    ) -> Answer:
        """Return the bytes start:end of an object, or all of them, with its size and ETag.

        Raises FileNotFoundError for 404, InputError where the object no longer has the `etag`, and NetworkError where
        the fault stays: connections refused or cut, silence, trickle, too few bytes and the server's own troubles are
        tried again, all else is not.
        """

        async def attempt() -> Answer:
            async with self._slots:
                return await self._once(url, start, end, etag)

        answer = await patiently(attempt, url, self.patience, way_out=self.way_out)
        if self.progress is not None:
            self.progress(len(answer.body))
        return answer

    async def fetch_all(self, wanted: Sequence[tuple[str, int, int, str | None]]) -> list[Answer]:
        """Fetch ranges (url, start, end, etag), many at a time; the first that fails for good ends the others."""
        tasks = [asyncio.create_task(self.fetch(url, start, end, etag=etag)) for url, start, end, etag in wanted]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _cat_file(self, url: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        return (await self.fetch(url, start, end, **kwargs)).body

    async def _once(self, url: str, start: int | None, end: int | None, etag: str | None) -> Answer:
        headers = {} if start is None or end is None else {"Range": f"bytes={start}-{end - 1}"}
        if etag is not None:
            headers["If-Match"] = etag
        session = await self.set_session()
        with self._faults():
            async with session.get(self.encode_url(url), headers=headers) as answer:
                self._reached = True
                _check_status(url, answer, ranged="Range" in headers)
                body = await answer.read()
        size = len(body)
        if "Range" in headers:
            told = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if told is None or int(told[1]) != start:
                raise Fault(f"answered {headers['Range']} with {answer.headers.get('Content-Range')!r}", passes=False)
            size = int(told[3])
            due = min(end or 0, size) - (start or 0)
            if len(body) != due:
                raise Fault(f"sent {len(body)} bytes of the {due} asked for", passes=True)
        return Answer(body, size, answer.headers.get("ETag"))

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        """Turn the exceptions of the HTTP library into faults in plain words."""
        try:
            yield
        except aiohttp.ClientConnectorDNSError as exc:
            # Without any answer yet there is no network; later it is a hiccup.
            raise Fault(f"its name does not resolve ({exc.os_error.strerror})", passes=self._reached) from exc
        except aiohttp.ClientSSLError as exc:
            raise Fault(f"no trusted connection ({exc})", passes=False) from exc
        except aiohttp.ConnectionTimeoutError as exc:
            raise Fault(f"no connection within {self.patience.connect:g} s", passes=True) from exc
        except aiohttp.SocketTimeoutError as exc:
            raise Fault(f"it fell silent for {self.patience.silence:g} s", passes=True) from exc
        except TimeoutError as exc:
            raise Fault(f"the answer was not whole within {self.patience.whole:g} s", passes=True) from exc
        except aiohttp.InvalidURL as exc:
            raise Fault("that is no URL", passes=False) from exc
        except aiohttp.ClientConnectorError as exc:
            raise Fault(f"could not connect ({_reason(exc.os_error)})", passes=True) from exc
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as exc:
            raise Fault("the connection was cut in the midst of the answer", passes=True) from exc
        except aiohttp.ClientError as exc:
            raise Fault(f"no HTTP answer ({type(exc).__name__}: {exc})", passes=False) from exc


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)


def _check_status(url: str, answer: aiohttp.ClientResponse, *, ranged: bool) -> None:
    if answer.status == (206 if ranged else 200):
        return
    if answer.status == 404:
        raise FileNotFoundError(url)
    if answer.status == 412:
        raise InputError(f"{url} was replaced while it was read; read it again from its begin.")
    if answer.status == 200:
        raise Fault("it sends no byte ranges, only the whole", passes=False)
    wait = answer.headers.get("Retry-After", "")
    said = f"it answered {answer.status} {answer.reason}"
    raise Fault(said, passes=answer.status in _PASSES, wait=float(wait) if wait.isdecimal() else 0.0)
