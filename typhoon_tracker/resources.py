"""Where the data that ships with the project lie: weights in `models/`, best tracks in `tracks/best/`."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
DEFAULT_MODEL = "met2net-small"


def shipped(*parts: str) -> Path:
    """Return the path of a shipped file or folder: inside the package in a wheel, beside it in a checkout."""
    packed = PACKAGE.joinpath("_data", *parts)
    return packed if packed.exists() else PACKAGE.parent.joinpath(*parts)
