"""What went wrong with an HTTP request made by the requests library, in plain words."""

from __future__ import annotations

from dataclasses import dataclass

from typhoon_tracker.besttrack.download import reason

PASSING = (408, 429, 500, 502, 503, 504)
LONGEST = 300  # letters


@dataclass(frozen=True)
class Refusal:
    """The status code (None where no answer came), the reason on one line, and the seconds asked to wait."""

    status: int | None
    said: str
    wait: float = 0.0


def refusal(error: Exception) -> Refusal:
    """Return what a server or the network said; the reason is that of the answer's JSON where there is one."""
    import requests

    response = getattr(error, "response", None)
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return Refusal(None, "the connection was cut in the midst of the answer")
    if response is None:
        return Refusal(None, " ".join(reason(error).split())[:LONGEST])
    try:
        told = response.json()
        words = [str(told[key]).strip().splitlines()[-1] for key in ("title", "detail", "traceback") if told.get(key)]
    except (ValueError, TypeError, AttributeError, IndexError):
        words = []
    wait = response.headers.get("Retry-After", "")
    said = f"it answered {response.status_code} {': '.join(words) or response.reason}"
    return Refusal(response.status_code, said[:LONGEST], float(wait) if wait.isdecimal() else 0.0)
