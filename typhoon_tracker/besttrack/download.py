"""Fetch IBTrACS v04r01 from NCEI into the user's cache."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from typhoon_tracker.besttrack import ncei
from typhoon_tracker.errors import InputError

URL = (
    "https://www.ncei.noaa.gov/data/international-best-track-archive-for-climate-stewardship-ibtracs/"
    "v04r01/access/csv/ibtracs.WP.list.v04r01.csv"
)
ATTEMPTS = 3
TIMEOUT_S = (10.0, 60.0)  # to connect, between two pieces
_PIECE = 1 << 16
_WAY_OUT = "The best tracks that ship with the project need no network."


def cache_folder() -> Path:
    """Return the cache: TYPHOON_TRACKER_CACHE where set, else the platform's cache folder for the user."""
    named = os.environ.get("TYPHOON_TRACKER_CACHE")
    if named:
        return Path(named).expanduser()
    import pooch

    return Path(pooch.os_cache("typhoon-tracker"))


def cached(cache: Path | None = None) -> Path | None:
    """Return the fetched IBTrACS file, or None where there is none."""
    path = (cache or cache_folder()) / URL.rsplit("/", 1)[1]
    return path if path.is_file() else None


def provenance(path: Path) -> str:
    """Say when and from where a fetched file came, and its hash, as recorded beside it."""
    record = _json(_beside(path, ".json"))
    if not record:
        return f"IBTrACS file {path.name}"
    return f"IBTrACS v04r01 fetched {record['date']} from {record['url']} (sha256 {record['sha256'][:12]})"


def fetch(*, url: str = URL, cache: Path | None = None, progress: bool = True) -> Path:
    """Fetch IBTrACS into the cache and return its path; NCEI renews the file weekly, so every call fetches.

    What a cut connection leaves is taken up again, now or at the next call, if the server still offers the same file.
    The file replaces the former one only when its length is right and it reads as IBTrACS; its hash and date are
    recorded beside it. Raises InputError where the server cannot be reached, refuses, breaks off, or sends
    something else.
    """
    import pooch

    folder = cache or cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / url.rsplit("/", 1)[1]
    part = _beside(path, ".part")
    with _bar(path.name, shown=progress) as advance:
        for attempt in range(1, ATTEMPTS + 1):
            if _receive(url, part, advance):
                break
            if attempt == ATTEMPTS:
                have = part.stat().st_size if part.exists() else 0
                raise InputError(
                    f"the connection to {url} was cut {ATTEMPTS} times, last after {have} bytes; "
                    f"the next call goes on from there if the server can. {_WAY_OUT}"
                )
    try:
        ncei.read(part)
    except InputError as error:
        _discard(part)
        raise InputError(f"{url} did not send IBTrACS: {error} {_WAY_OUT}") from error
    record = {
        "url": url,
        "date": dt.date.today().isoformat(),
        "bytes": part.stat().st_size,
        "sha256": pooch.file_hash(str(part)),
    }
    _write_json(_beside(path, ".json"), record)
    os.replace(part, path)
    _beside(part, ".json").unlink(missing_ok=True)
    return path


def _receive(url: str, part: Path, advance: Any) -> bool:
    """Append to `part` what is still missing; return whether it is whole now."""
    import requests

    state = _json(_beside(part, ".json"))
    have = part.stat().st_size if part.exists() and state.get("validator") and state.get("url") == url else 0
    headers = {"Accept-Encoding": "identity"}  # so that Content-Length counts the bytes written
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": state["validator"]}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
            if answer.status_code == 416:  # the part is as long as the file, or the file has changed
                _discard(part)
                return False
            if answer.status_code not in (200, 206):
                raise InputError(f"{url} answered {answer.status_code} {answer.reason}. {_WAY_OUT}")
            if "html" in answer.headers.get("Content-Type", "").lower():
                raise InputError(
                    f"{url} answered with a web page, not IBTrACS CSV; is a login or proxy in between? {_WAY_OUT}"
                )
            have = have if answer.status_code == 206 else 0
            length = answer.headers.get("Content-Length")
            total = have + int(length) if length is not None else None
            tag = answer.headers.get("ETag", "")
            validator = answer.headers.get("Last-Modified") if not tag or tag.startswith("W/") else tag
            _write_json(_beside(part, ".json"), {"url": url, "validator": validator})
            _append(answer.iter_content(_PIECE), part, have, total, advance)
    except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ReadTimeout):
        return False
    except requests.exceptions.ConnectTimeout as error:
        raise InputError(f"{url} did not answer within {TIMEOUT_S[0]:g} s. {_WAY_OUT}") from error
    except requests.exceptions.ConnectionError as error:
        if part.exists() and part.stat().st_size > have:
            return False
        raise InputError(f"could not connect to {url}: {reason(error)}. {_WAY_OUT}") from error
    except requests.exceptions.RequestException as error:
        raise InputError(f"could not fetch {url}: {error}. {_WAY_OUT}") from error
    return total is None or part.stat().st_size == total


def _append(pieces: Iterator[bytes], part: Path, have: int, total: int | None, advance: Any) -> None:
    with part.open("ab" if have else "wb") as file:
        for piece in pieces:
            file.write(piece)
            have += len(piece)
            advance(have, total)


def reason(error: Exception) -> str:
    """Return the operating system's words out of the nested errors of the HTTP library."""
    inner: object = error
    while isinstance(inner, Exception):
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        inner = (
            inner.__cause__
            or inner.__context__
            or getattr(inner, "reason", None)
            or (inner.args[0] if inner.args else None)
        )
    return str(error)


@contextmanager
def _bar(name: str, *, shown: bool) -> Iterator[Any]:
    """Yield a function (bytes so far, bytes in all) that moves a progress bar."""
    if not shown:
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    with Progress(TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn()) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _write_json(path: Path, record: dict[str, Any]) -> None:
    temporary = _beside(path, ".tmp")
    temporary.write_text(json.dumps(record, indent=1) + "\n")
    os.replace(temporary, path)


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _beside(part, ".json").unlink(missing_ok=True)
