"""Regions and regular latitude-longitude grids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Region:
    """A regular grid in degrees: latitude `north` down to `south`, longitude `west` up to `east`, ends included.

    Longitudes may run past 180 and are contiguous.
    """

    north: float
    south: float
    west: float
    east: float
    step: float = 0.25

    @property
    def latitude(self) -> NDArray[np.float64]:
        return np.asarray(self.north - self.step * np.arange(round((self.north - self.south) / self.step) + 1), float)

    @property
    def longitude(self) -> NDArray[np.float64]:
        return np.asarray(self.west + self.step * np.arange(round((self.east - self.west) / self.step) + 1), float)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.latitude), len(self.longitude)

    def contains(self, lat: ArrayLike, lon: ArrayLike, *, margin: float = 0.0) -> NDArray[np.bool_]:
        """Tell which points lie inside the region, at least `margin` degrees from its edge."""
        lat, lon = np.asarray(lat, float), np.asarray(lon, float)
        east_of_west = (lon - self.west) % 360.0
        inside = (lat <= self.north - margin) & (lat >= self.south + margin)
        return np.asarray(inside & (east_of_west >= margin) & (east_of_west <= self.east - self.west - margin))

    def __str__(self) -> str:
        return f"{self.south:g}-{self.north:g}N, {self.west:g}-{self.east:g}E at {self.step:g} deg"


# The crop of the Met2Net paper: 110-142E, 12.25-44N, 128 x 128 points at 0.25 degrees.
PAPER_REGION = Region(north=44.0, south=12.25, west=110.0, east=141.75)
