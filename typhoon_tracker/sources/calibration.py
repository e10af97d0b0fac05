"""Compare the reconstruction with real ERA5 storms, frame by frame: the same storms, times, windows and measures.

    python -m typhoon_tracker.sources.calibration era5_wnp2016_storm_patches.nc

prints, by intensity class, the median maximum 10 m wind, radius of maximum wind, size (radius of 12 m/s), depth-free
vorticity spectrum of both, and their ratio; exit code 1 where a median is more than 20 % off.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import gaussian_filter

from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.derived import relative_vorticity
from typhoon_tracker.geo.sphere import KM_PER_DEGREE, distance
from typhoon_tracker.sources.patches import Patch, name_class, open_patches
from typhoon_tracker.sources.reconstruction import HourlyTracks, land_fraction, reconstruct, storm_tensors
from typhoon_tracker.sources.weather import draw_waves

BANDS_KM = (2000.0, 1000.0, 500.0, 250.0, 125.0)
RING_KM = 25.0
STORM_RADIUS_KM = 400.0
SEARCH_KM = 200.0
SIZE_WIND = 12.0
TOLERANCE = 0.20


@dataclass(frozen=True)
class Window:
    """10 m winds of one frame on a regular window around a storm near (lat, lon)."""

    latitude: np.ndarray
    longitude: np.ndarray
    u: np.ndarray
    v: np.ndarray
    lat: float
    lon: float


def measure(window: Window) -> dict[str, float]:
    """Return max_wind (m/s), rmw and r12 (km, of the azimuthal mean wind), and rms vorticity (s-1) by wavelength."""
    vorticity = relative_vorticity(window.u, window.v, window.latitude, window.longitude)
    east, north = _offsets(window, *_vorticity_centre(window, vorticity))
    radius, speed = np.hypot(east, north), np.hypot(window.u, window.v)
    swirl = (window.v * east - window.u * north) / np.maximum(radius, 1.0)
    ring = (radius / RING_KM).astype(int)
    count = np.maximum(np.bincount(ring.ravel()), 1)
    mean_swirl = np.bincount(ring.ravel(), swirl.ravel()) / count
    mean_speed = np.bincount(ring.ravel(), speed.ravel()) / count
    inner = int(STORM_RADIUS_KM / RING_KM)
    result = {
        "max_wind": float(speed[radius < STORM_RADIUS_KM].max()),
        "rmw": _peak_radius(mean_swirl, inner),
        "r12": _outer_radius(mean_speed[: int(1000 / RING_KM)], inner),
    }
    return result | _spectrum(vorticity, window)


def _vorticity_centre(window: Window, vorticity: np.ndarray) -> tuple[float, float]:
    smooth = gaussian_filter(vorticity, 1.0)
    lat, lon = np.meshgrid(window.latitude, window.longitude, indexing="ij")
    near = distance(lat, lon, window.lat, window.lon) < SEARCH_KM
    peak = np.unravel_index(np.argmax(np.where(near, smooth, -np.inf)), smooth.shape)
    core = np.where((distance(lat, lon, lat[peak], lon[peak]) < 111.0) & (smooth > smooth[peak] / 2), smooth, 0.0)
    return float((core * lat).sum() / core.sum()), float((core * lon).sum() / core.sum())


def _offsets(window: Window, lat: float, lon: float) -> tuple[np.ndarray, np.ndarray]:
    east = (window.longitude - lon)[None, :] * KM_PER_DEGREE * np.cos(np.radians(lat))
    north = (window.latitude - lat)[:, None] * KM_PER_DEGREE
    return np.broadcast_arrays(east, north)  # type: ignore[return-value]


def _peak_radius(mean_swirl: np.ndarray, inner: int) -> float:
    """Radius of the strongest mean swirl, between rings by a parabola through the three highest."""
    k = int(np.argmax(mean_swirl[:inner]))
    before, peak, after = mean_swirl[max(k - 1, 0)], mean_swirl[k], mean_swirl[k + 1]
    bend = before - 2 * peak + after
    shift = 0.5 * (before - after) / bend if k and bend < 0 else 0.0
    return (k + 0.5 + float(shift)) * RING_KM


def _outer_radius(mean_speed: np.ndarray, inner: int) -> float:
    """Radius outside the peak where the mean wind falls through 12 m/s; NaN where it never reaches it."""
    peak = int(np.argmax(mean_speed[:inner]))
    if mean_speed[peak] <= SIZE_WIND:
        return np.nan
    below = np.flatnonzero(mean_speed[peak:] < SIZE_WIND)
    if not len(below):
        return np.nan
    k = peak + int(below[0])
    part = (mean_speed[k - 1] - SIZE_WIND) / (mean_speed[k - 1] - mean_speed[k])
    return (k - 0.5 + float(part)) * RING_KM


def _spectrum(vorticity: np.ndarray, window: Window) -> dict[str, float]:
    """Root mean square vorticity in bands of wavelength, under a Hann window."""
    ny, nx = vorticity.shape
    taper = np.hanning(ny)[:, None] * np.hanning(nx)[None, :]
    step = abs(window.latitude[1] - window.latitude[0]) * KM_PER_DEGREE
    power = np.abs(np.fft.fft2((vorticity - vorticity.mean()) * taper)) ** 2 / (taper**2).sum() / (ny * nx)
    ky = np.fft.fftfreq(ny, step)[:, None]
    kx = np.fft.fftfreq(nx, step * np.cos(np.radians(window.lat)))[None, :]
    k = np.hypot(kx, ky)
    bands = pairwise(BANDS_KM)
    return {f"vort {a:.0f}-{b:.0f} km": float(np.sqrt(power[(k >= 1 / a) & (k < 1 / b)].sum())) for a, b in bands}


def reconstructed_window(patch: Patch, tracks: HourlyTracks, *, seed: int) -> Window | None:
    """Return the reconstruction on a real patch's grid and time, or None where no best track is within 300 km."""
    hour = int((patch.time - pd.Timestamp(0)) / pd.Timedelta(hours=1))
    members = tracks.around(hour, hour)
    states = [tracks.at(int(i), np.array([hour]))[0] for i in members]
    apart = [float(distance(s[0], s[1], patch.bt_lat, patch.bt_lon)) if s[5] > 0 else np.inf for s in states]
    if not apart or min(apart) > 300.0:
        return None
    centre = states[int(np.argmin(apart))]
    hours = torch.tensor([[float(hour)]], dtype=torch.float64)
    values = (
        reconstruct(
            storm_tensors(tracks, [members], np.array([[hour]])),
            hours,
            torch.as_tensor(patch.latitude, dtype=torch.float32)[None],
            torch.as_tensor(patch.longitude, dtype=torch.float32)[None],
            land_fraction(patch.latitude, patch.longitude)[None],
            draw_waves(1, torch.Generator().manual_seed(seed)),
            hours[:, 0],
        )[0, 0]
        .double()
        .numpy()
    )
    return Window(patch.latitude, patch.longitude, values[1], values[2], centre[0], centre[1])


def compare(patches: Iterable[Patch], tracks: HourlyTracks) -> pd.DataFrame:
    """Return medians by intensity class: index (class, measure), columns frames, era5, reconstruction, ratio."""
    rows = []
    for i, patch in enumerate(patches):
        twin = reconstructed_window(patch, tracks, seed=i)
        if twin is None:
            continue
        real = Window(patch.latitude, patch.longitude, patch.u10, patch.v10, patch.bt_lat, patch.bt_lon)
        name = name_class(patch.bt_wind)
        rows += [(name, key, "era5", i, value) for key, value in measure(real).items()]
        rows += [(name, key, "reconstruction", i, value) for key, value in measure(twin).items()]
    table = pd.DataFrame(rows, columns=["class", "measure", "source", "frame", "value"])
    everything = pd.concat([table, table.assign(**{"class": "all"})])
    wide = everything.pivot_table(
        index=["class", "measure"], columns="source", values="value", aggfunc="median", sort=False
    )
    # A weak storm has no radius of 12 m/s: count the frames in which ERA5 has the measure.
    counted = everything[everything["source"] == "era5"].groupby(["class", "measure"])["value"].count()
    wide.insert(0, "frames", counted)
    return wide.assign(ratio=wide["reconstruction"] / wide["era5"])


def main(argv: list[str] | None = None) -> int:
    from rich.console import Console
    from rich.progress import track as progress
    from rich.table import Table

    from typhoon_tracker.besttrack.shipped import load

    arguments = sys.argv[1:] if argv is None else argv
    console = Console()
    try:
        if len(arguments) != 1:
            raise InputError("give one path: the file of real ERA5 storm patches.")
        patches = [patch for storm in open_patches(Path(arguments[0])) for patch in storm]
        best = load("wmo").table
    except InputError as error:
        console.print(f"error: {error}", style="red")
        return 2
    times = [p.time for p in patches]
    nearby = best[best["time"].between(min(times) - pd.Timedelta(days=20), max(times) + pd.Timedelta(days=20))]
    result = compare(progress(patches, "comparing frames", console=console), HourlyTracks.build(nearby))
    table = Table("class", "measure", "frames", "ERA5", "reconstruction", "ratio", title="Medians")
    for row in result.reset_index().to_dict("records"):
        mark = " *" if abs(row["ratio"] - 1) > TOLERANCE else ""
        medians = (f"{row[source]:.3g}" for source in ("era5", "reconstruction"))
        table.add_row(row["class"], row["measure"], f"{row['frames']}", *medians, f"{row['ratio']:.2f}{mark}")
    console.print(table, "* more than 20 % off")
    return int((abs(result["ratio"] - 1) > TOLERANCE).any())


if __name__ == "__main__":
    sys.exit(main())
