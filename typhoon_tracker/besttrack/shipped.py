"""The best tracks that ship with the project: IBTrACS 1980-2024, western North Pacific, JMA and JTWC, six-hourly."""

from __future__ import annotations

import pandas as pd

from typhoon_tracker import track
from typhoon_tracker.besttrack.agencies import HECTOPASCAL, KNOT, BestTracks, agency_named
from typhoon_tracker.errors import InputError
from typhoon_tracker.resources import shipped

SHIPPED = ("wmo", "jtwc")
PRECISION = "longitudes from 128E eastward are good to 0.1 degree only, having passed through half precision"


def load(agency: str = "wmo") -> BestTracks:
    """Return the shipped best tracks of `wmo` (JMA, 10-minute wind) or `jtwc` (1-minute wind), SI units.

    Raises InputError for an agency that is not shipped.
    """
    who = agency_named(agency)
    if who.name not in SHIPPED:
        raise InputError(
            f"the shipped best tracks hold {' and '.join(SHIPPED)}, not {agency!r}; fetch IBTrACS from NCEI to read it."
        )
    raw = pd.read_csv(
        shipped("tracks", "best", f"{who.name}.csv.xz"),
        keep_default_na=False,
        na_values={"wind_kt": [""], "msl_hpa": [""]},
    )
    table = track.create(
        track_id=raw["sid"],
        time=pd.to_datetime(raw["time"].astype(str), format="%Y%m%d%H"),
        lat=raw["lat_tenths"] / 10,
        lon=raw["lon_tenths"] / 10,
        msl=raw["msl_hpa"] * HECTOPASCAL,
        wind=raw["wind_kt"] * KNOT,
        season=raw["season"],
        name=raw["sid"].map(names()).fillna(""),
        original=True,
        status=raw.get("status", ""),
    )
    years = f"{table['season'].min()}-{table['season'].max()}"
    source = (
        f"{who.title} best tracks ({who.minutes}-minute wind) {years} from IBTrACS v04r01 (NOAA NCEI) "
        f"as shipped with the project; {PRECISION}."
    )
    return BestTracks(table, who.name, source)


def names() -> dict[str, str]:
    """Return the storm names that ship with the project, keyed by IBTrACS serial id."""
    raw = pd.read_csv(shipped("tracks", "best", "names.csv"), keep_default_na=False)
    return dict(zip(raw["sid"], raw["name"], strict=True))
