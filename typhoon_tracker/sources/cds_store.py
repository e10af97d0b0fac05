"""Talk to the Climate Data Store: submit, wait, fetch, and put its refusals into one sentence each."""

from __future__ import annotations

import itertools
import os
import time
import warnings
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from typhoon_tracker.errors import InputError
from typhoon_tracker.sources.answers import PASSING, Refusal, refusal
from typhoon_tracker.sources.base import NetworkError, Progress
from typhoon_tracker.sources.retry import Patience

DATASET = "reanalysis-era5-single-levels"
POLL_S = (1.0, 60.0)  # between two looks at a queued request: the first pause and the longest
PATIENCE = Patience(tries=6, wait=5.0, longest_wait=120.0, silence=60.0)
SITE = "https://cds.climate.copernicus.eu"
LICENCE = f"{SITE}/datasets/{DATASET}?tab=download#manage-licences"
STORE = "the Climate Data Store"
KEYLESS = "the sources ncar and arco need no key, the reconstruction not even a network"
_PIECE = 1 << 16

T = TypeVar("T")
Status = Callable[[str], None]


class Gone(InputError):
    """The store knows a request or its result no more."""


class Failed(InputError):
    """The store could not make the file of a request."""


class TooLarge(InputError):
    """The store makes no file of so many fields at once."""


class Store:
    """The store's API with the key and URL of ~/.cdsapirc or CDSAPI_KEY and CDSAPI_URL, unless given."""

    def __init__(self, *, url: str | None, key: str | None, patience: Patience, status: Status) -> None:
        self._url, self._key, self._patience, self._status = url, key, patience, status
        self._timeout = (patience.connect, patience.silence)
        self._reached = False

    @property
    def url(self) -> str:
        return str(self._client.url)

    def submit(self, request: dict[str, Any]) -> str:
        """Queue a request for ERA5 and return its id."""
        return str(self._ask(lambda: self._client.submit(DATASET, request)).request_id)

    def wait(self, request_id: str, what: str) -> tuple[str, int]:
        """Return the address and the bytes of a request's file as soon as it is made.

        Raises Gone where the store knows the request or its file no more, Failed where it could not make it.
        """
        remote = self._ask(lambda: self._client.get_remote(request_id))
        pause, shown = POLL_S[0], ""
        while (state := self._ask(lambda: remote.status)) in ("accepted", "running"):
            if state != shown:
                self._status(f"{what}: {state}{' and queued' * (state == 'accepted')} (request {request_id})")
            shown = state
            time.sleep(pause)
            pause = min(1.5 * pause, POLL_S[1])
        self._status(f"{what}: {state} (request {request_id})")
        if state in ("dismissed", "deleted"):
            raise Gone(f"{what}: request {request_id} was {state}.")
        if state == "successful":
            results = self._ask(remote.get_results)
            return results.location, results.content_length
        try:
            reason = str(remote.results_ready)
        except Exception as error:  # the client tells a failure by several exceptions
            reason = refusal(error).said
        raise Failed(f"{STORE} {state} request {request_id} ({what}): {reason}; the next call asks anew; {KEYLESS}.")

    def download(self, url: str, size: int, part: Path, progress: Progress) -> None:
        """Bring `part` up to the `size` bytes at `url`, going on where it ends; give up where nothing more comes."""
        while (have := _size(part)) < size:
            try:
                self._ask(lambda: _receive(url, part, size, progress, self._timeout))
            except InputError:
                if _size(part) <= have:
                    raise
        if _size(part) > size:
            part.unlink()
            raise InputError(f"{url} sent more than the {size} bytes announced; call again.")

    @cached_property
    def _client(self) -> Any:
        try:
            from cdsapi.api import get_url_key_verify
            from ecmwf.datastores import Client
        except ImportError as error:
            raise InputError(
                f"the source cds needs cdsapi ({error}); pip install 'typhoon-tracker[era5]'; {KEYLESS}."
            ) from error
        rc = os.environ.get("CDSAPI_RC", "~/.cdsapirc")
        try:
            url, key, verify = get_url_key_verify(self._url, self._key, None)
        except Exception as error:  # it has no exception of its own
            raise InputError(
                f"{STORE} needs a key and there is none in {rc} or CDSAPI_KEY: register at {SITE}, copy the two lines "
                f"(url, key) from {SITE}/how-to-api into {rc} and accept the licence at {LICENCE}; {KEYLESS}."
            ) from error
        if ":" in key:
            raise InputError(
                f"the key in {rc} is of the store's former kind (UID:KEY); "
                f"copy the two lines (url, key) from {SITE}/how-to-api into it."
            )
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # it asks for the day's messages at once; where that fails, the request will
            return Client(
                url=url.rstrip("/"),
                key=key,
                verify=verify,
                timeout=self._timeout,
                progress=False,
                maximum_tries=1,  # `_ask` asks again, and says so
                log_callback=lambda *args, **kwargs: None,
            )

    def _ask(self, call: Callable[[], T]) -> T:
        """Return what the store answers, asking again after a pause where a refusal may pass; InputError otherwise."""
        import requests

        for tried in itertools.count(1):
            try:
                answer = call()
            except requests.RequestException as error:
                no = refusal(error)
                # A network that never answered is told at once; one that fails during hours of waiting may come back.
                passes = no.status in PASSING if no.status else self._reached
                if not passes or tried == self._patience.tries:
                    raise _explained(self.url, no, tried) from error
                pause = self._patience.pause(tried, no.wait)
                self._status(f"{STORE}: {no.said}; asking again in {pause:.0f} s")
                time.sleep(pause)
            else:
                self._reached = True
                return answer
        raise AssertionError("the tries end")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _receive(url: str, part: Path, size: int, progress: Progress, timeout: tuple[float, float]) -> None:
    import requests

    have = _size(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as answer:
        answer.raise_for_status()
        with part.open("ab" if answer.status_code == 206 else "wb") as file:
            for piece in answer.iter_content(_PIECE):
                file.write(piece)
                progress(len(piece))
    if _size(part) < size:
        raise requests.ConnectionError(f"{_size(part)} of {size} bytes came")


def _explained(url: str, no: Refusal, tries: int) -> InputError:
    low = no.said.lower()
    if "cost limit" in low or "too large" in low:
        return TooLarge(f"{STORE} finds even one day too large ({no.said}); ask for a smaller region.")
    if "licence" in low:
        return InputError(f"{STORE} gives ERA5 once its licence is accepted; do so at {LICENCE} ({no.said}).")
    if no.status == 401:
        fresh = f"copy it anew from {SITE}/how-to-api"
        return InputError(f"{STORE} does not accept the key ({no.said}); {fresh}; {KEYLESS}.")
    if no.status == 404:
        return Gone(f"{STORE} does not find what was asked for ({no.said}); its url is {SITE}/api, given was {url}.")
    if no.status is None or no.status in PASSING:
        queued = "What is queued there stays queued, and the next call goes on with it"
        return NetworkError(url, no.said, tries=tries, way_out=f"{queued}; {SITE} tells of maintenance; {KEYLESS}.")
    return InputError(f"{STORE} refuses the request ({no.said}).")
