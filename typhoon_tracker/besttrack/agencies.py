"""The agencies whose best tracks IBTrACS carries, and what a loaded set of best tracks is."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from typhoon_tracker.errors import InputError

KNOT = 0.514444  # m s-1
HECTOPASCAL = 100.0  # Pa


@dataclass(frozen=True)
class Agency:
    """A best-track agency: how IBTrACS spells its columns and over how many minutes it averages the wind.

    `flag` is the agency's place in IFLAG (IBTrACS v04 column documentation); `grades` turns its codes into words.
    """

    name: str
    title: str
    prefix: str
    minutes: int
    flag: int
    status: str
    grades: Mapping[str, str] = field(default_factory=dict)

    def column(self, quantity: str) -> str:
        """Return the IBTrACS column of LAT, LON, WIND or PRES."""
        return f"{self.prefix}_{quantity}"


_JMA_GRADES = {"2": "TD", "3": "TS", "4": "STS", "5": "TY", "6": "EX", "9": "TS"}
_CMA_GRADES = {"1": "TD", "2": "TS", "3": "STS", "4": "TY", "5": "STY", "6": "SuperTY", "9": "EX"}

AGENCIES = {
    agency.name: agency
    for agency in (
        Agency("wmo", "JMA (RSMC Tokyo)", "TOKYO", 10, 1, "TOKYO_GRADE", {**_JMA_GRADES, "7": "", "1": "", "8": ""}),
        Agency("jtwc", "JTWC", "USA", 1, 0, "USA_STATUS"),
        Agency("cma", "CMA", "CMA", 2, 2, "CMA_CAT", {**_CMA_GRADES, "0": ""}),
        Agency("hko", "HKO", "HKO", 10, 3, "HKO_CAT"),
    )
}
_ALIASES = {"jma": "wmo", "tokyo": "wmo", "usa": "jtwc"}


@dataclass(frozen=True, eq=False)
class BestTracks:
    """Best tracks of one agency in the track contract, with `season`, `name`, `original` and `status` besides.

    `original` is True for a fix the agency reported and False for one IBTrACS interpolated. `source` is a sentence
    that every output carries.
    """

    table: pd.DataFrame
    agency: str
    source: str


def agency_named(name: str) -> Agency:
    """Return the agency of that name or alias, any case; raise InputError with the nearest name where there is none."""
    key = name.strip().lower()
    key = _ALIASES.get(key, key)
    if key in AGENCIES:
        return AGENCIES[key]
    near = difflib.get_close_matches(key, [*AGENCIES, *_ALIASES], n=1)
    hint = f"; the nearest is {near[0]!r}" if near else ""
    raise InputError(f"no best-track agency {name!r}; there are {', '.join(AGENCIES)} (jma means wmo){hint}.")
