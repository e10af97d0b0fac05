"""How far fixes in fields interpolated linearly in time are from those in the fields themselves.

    python -m tests.sources.open_data.interpolation_error

follows reconstructed storms of 2023 in their hourly fields, and again in fields that keep every sixth (or third) hour
and are linear between, as `sources.open_data` makes them; prints the distance between the two by the hours to the
nearest hour kept, how often the storm was lost, and how much of its strongest wind was left.
"""

from __future__ import annotations

import pandas as pd
import xarray as xr

from typhoon_tracker.besttrack import shipped
from typhoon_tracker.besttrack.storms import Storm, find
from typhoon_tracker.geo.grid import PAPER_REGION
from typhoon_tracker.geo.sphere import distance
from typhoon_tracker.hindcast import storm_fields
from typhoon_tracker.sources.open_data import linear
from typhoon_tracker.tracker.follow import follow

STORMS = ("MAWAR", "GUCHOL", "DOKSURI", "KHANUN", "LAN", "SAOLA", "HAIKUI", "KOINU")


STRAYED_KM = 300.0  # from the storm's fix: the tracker follows something else there


def compare(storm: Storm, fields: xr.Dataset, *, every: int) -> pd.DataFrame:
    """Return a row an hour in which the storm is found in the fields themselves: `away` (hours to the nearest kept
    one), `km` between the fixes and `wind` left of the strongest (both NaN where the interpolated one is lost), `speed`
    (km/h).
    """
    known = storm.track[storm.track["original"]]
    seen = PAPER_REGION.contains(known["lat"], known["lon"], margin=2.0)
    first = known[seen & (known["time"] >= fields.indexes["time"][0])].iloc[:1]
    fields = fields.sel(time=slice(first["time"].iloc[0], None))
    kept = fields.isel(time=slice(None, None, every))
    hours = fields.indexes["time"][: (kept.sizes["time"] - 1) * every + 1]
    full = follow(fields.sel(time=hours), first, reseed=known)
    faded = follow(linear(kept, hours), first, reseed=known)
    both = full.merge(faded, on="time", how="left", suffixes=("", "_faded"))
    since = ((both["time"] - hours[0]) / pd.Timedelta(hours=1)).astype(int) % every
    moved = distance(both["lat"].shift(1), both["lon"].shift(1), both["lat"], both["lon"])
    return pd.DataFrame(
        {
            "every": every,
            "away": since.where(since <= every // 2, every - since),
            "km": distance(both["lat"], both["lon"], both["lat_faded"], both["lon_faded"]),
            "wind": both["wind_faded"] / both["wind"],
            "speed": moved,
        }
    )


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return median and 95th percentile of km, the wind left, and the shares lost and astray, by `every` and `away`."""
    groups = rows.assign(astray=rows["km"] > STRAYED_KM).groupby(["every", "away"])
    return pd.DataFrame(
        {
            "fixes": groups["km"].size(),
            "km_median": groups["km"].median().round(1),
            "km_p95": groups["km"].quantile(0.95).round(1),
            "wind_left": groups["wind"].mean().round(3),
            "lost": groups["km"].apply(lambda km: km.isna().mean()).round(3),
            "astray": groups["astray"].mean().round(3),
        }
    )


def main() -> None:
    best = shipped.load("wmo")
    rows = []
    for name in STORMS:
        storm = find(name, season=2023, best=best)
        fields = storm_fields(storm, best)
        rows += [compare(storm, fields, every=every) for every in (6, 3)]
    everything = pd.concat(rows)
    print(f"{len(STORMS)} reconstructed storms of 2023, mean speed {everything['speed'].mean():.1f} km/h")
    print(table(everything).to_string())
    fast = everything[everything["speed"] > 25.0]
    print("\nwhere they move faster than 25 km/h")
    print(table(fast).to_string())


if __name__ == "__main__":
    main()
