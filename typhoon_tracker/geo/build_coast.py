"""Derive the shipped coastline from the GLOBE 1 km land mask: `python -m typhoon_tracker.geo.build_coast`.

Needs the `build` extra (`global-land-mask`). Land fractions of 0.05 degree cells are contoured at one half, which is
smooth where a trace of the raster would be a staircase; islands too small to see are dropped.
"""

from __future__ import annotations

import lzma
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import shapely
from contourpy import FillType, contour_generator

from typhoon_tracker.geo.grid import Region
from typhoon_tracker.geo.land import COAST_FILE, DOMAIN, UNITS_PER_DEGREE, land_mask
from typhoon_tracker.geo.sphere import KM_PER_DEGREE

CELLS_PER_DEGREE = 20
MARGIN = 1  # degrees contoured beyond the domain and cut off again, so that no coast runs along its edge
TOLERANCE = 0.02  # degrees a simplified coast may stray from the contour
SMALLEST_ISLAND = 60.0  # km2
SMALLEST_LAKE = 300.0  # km2


def main() -> None:
    """Build the coast, write it beside this file and print its size and its agreement with the mask."""
    # Importing the mask unpacks it: about a gigabyte for a moment.
    from global_land_mask import globe

    coast = trace(globe)
    write(coast, COAST_FILE)
    points = shapely.get_num_coordinates(coast)
    print(f"{COAST_FILE.name}: {len(coast.geoms)} polygons, {points} points, {COAST_FILE.stat().st_size / 1000:.1f} kB")
    for name, region in {"whole domain": DOMAIN, "0-60N 100-180E": Region(60.0, 0.0, 100.0, 180.0)}.items():
        print(f"{name}: {agreement(globe, region):.2%} of 0.25 degree points agree with global-land-mask")


def trace(globe) -> shapely.MultiPolygon:  # type: ignore[no-untyped-def]
    """Return the land of the domain as simplified polygons, degrees, longitudes contiguous past 180."""
    lat, lon, fraction = land_fraction(globe)
    lines = contour_generator(lon, lat, fraction, fill_type=FillType.OuterOffset).filled(0.5, 1.1)
    land = shapely.union_all([polygon(p, o) for p, o in zip(*lines, strict=True)])
    land = shapely.intersection(land, shapely.box(DOMAIN.west, DOMAIN.south, DOMAIN.east, DOMAIN.north))
    kept = [
        without_lakes(p) for p in shapely.get_parts(land) if p.geom_type == "Polygon" and area(p) >= SMALLEST_ISLAND
    ]
    simple = shapely.union_all(shapely.coverage_simplify(kept, TOLERANCE))
    # Rounded coordinates compress to a fraction; set_precision keeps the polygons valid.
    return shapely.MultiPolygon(shapely.get_parts(shapely.set_precision(simple, 1 / UNITS_PER_DEGREE)))


def land_fraction(globe) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[no-untyped-def]
    """Return cell-centre latitudes (ascending), longitudes and the share of land in each cell (lat, lon)."""
    fine = 120  # points of the mask in a degree
    block = fine // CELLS_PER_DEGREE
    south, north = DOMAIN.south - MARGIN, DOMAIN.north + MARGIN
    west, east = DOMAIN.west - MARGIN, DOMAIN.east + MARGIN
    lat = south + (np.arange(round((north - south) * fine)) + 0.5) / fine
    lon = west + (np.arange(round((east - west) * fine)) + 0.5) / fine
    shape = len(lat) // block, block, len(lon) // block, block
    fraction = np.empty((shape[0], shape[2]))
    for row in range(shape[0]):  # a row of cells at a time: the whole would not fit
        mesh = np.meshgrid(lat[row * block : (row + 1) * block], (lon + 180) % 360 - 180, indexing="ij")
        fraction[row] = globe.is_land(*mesh).reshape(block, shape[2], block).mean(axis=(0, 2))
    return lat.reshape(-1, block).mean(axis=1), lon.reshape(-1, block).mean(axis=1), fraction


def polygon(points: np.ndarray, offsets: np.ndarray) -> shapely.Polygon:
    rings = [points[a:b] for a, b in pairwise(offsets)]
    return shapely.make_valid(shapely.Polygon(rings[0], rings[1:]))


def without_lakes(land: shapely.Polygon) -> shapely.Polygon:
    lakes = [ring for ring in land.interiors if area(shapely.Polygon(ring)) >= SMALLEST_LAKE]
    return shapely.Polygon(land.exterior, lakes)


def area(land: shapely.Polygon) -> float:
    """Return the area in km2 of a polygon small enough for one cos(latitude)."""
    return land.area * KM_PER_DEGREE**2 * float(np.cos(np.radians(land.centroid.y)))


def write(coast: shapely.MultiPolygon, path: Path) -> None:
    """Write polygons as xz-compressed WKB in whole 1/UNITS_PER_DEGREE degrees."""
    whole = shapely.transform(coast, lambda xy: np.rint(xy * UNITS_PER_DEGREE))
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(lzma.compress(shapely.to_wkb(whole, byte_order=1), preset=9 | lzma.PRESET_EXTREME))
    os.replace(temporary, path)


def agreement(globe, region: Region) -> float:  # type: ignore[no-untyped-def]
    """Return the share of a region's grid points on which the polygons and the mask agree."""
    lat, lon = np.meshgrid(region.latitude, (region.longitude + 180) % 360 - 180, indexing="ij")
    return float((globe.is_land(lat, lon) == land_mask(region.latitude, region.longitude)).mean())


if __name__ == "__main__":
    main()
