"""The coast of the western North Pacific, shipped with the package: no download, no cartopy data.

Polygons true to about 5 km, from the GLOBE 1 km mask by `build_coast.py`; islands under 60 km2 are left out.
"""

from __future__ import annotations

import lzma
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from typhoon_tracker.geo.grid import Region
from typhoon_tracker.geo.sphere import wrap

if TYPE_CHECKING:
    from shapely import MultiPolygon

DOMAIN = Region(north=65.0, south=-10.0, west=90.0, east=190.0)
COAST_FILE = Path(__file__).with_name("coast.wkb.xz")
UNITS_PER_DEGREE = 64  # the file holds whole numbers, which compress well and turn into degrees without rounding


@lru_cache(maxsize=1)
def coastline() -> MultiPolygon:
    """Return the land of `DOMAIN` as polygons in degrees; longitudes run from 90 to 190, past 180 without a break."""
    import shapely

    whole = shapely.from_wkb(lzma.decompress(COAST_FILE.read_bytes()))
    coast = shapely.transform(whole, lambda xy: xy / UNITS_PER_DEGREE)
    shapely.prepare(coast)  # an index of its edges makes point tests quick
    return coast


def land_mask(latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.bool_]:
    """Tell which points of the grid spanned by `latitude` (nlat,) and `longitude` (nlon,) are land: (nlat, nlon).

    Degrees, any turn of longitude. Lakes under 300 km2 count as land; everything outside `DOMAIN` counts as sea.
    """
    import shapely

    lat = np.asarray(latitude, float)
    lon = wrap(longitude, DOMAIN.west)
    return shapely.intersects_xy(coastline(), *np.meshgrid(lon, lat))
