"""The yardstick measures what is known, and on real ERA5 storms the reconstruction measures up to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from typhoon_tracker.besttrack import shipped
from typhoon_tracker.geo.sphere import KM_PER_DEGREE
from typhoon_tracker.sources import calibration
from typhoon_tracker.sources.calibration import TOLERANCE, Window, compare, measure, reconstructed_window
from typhoon_tracker.sources.patches import open_patches
from typhoon_tracker.sources.reconstruction import HourlyTracks

PATCHES = Path(__file__).resolve().parents[2] / "../shared/data/era5_wnp2016_storm_patches.nc"
LATITUDE, LONGITUDE = 30.0 - 0.25 * np.arange(81), 120.0 + 0.25 * np.arange(81)


def vortex(peak, radius, *, lat=20.0, lon=130.0, stated=(20.0, 130.0)):
    """A swirl v = peak 2x / (1 + x^2), x = r / radius, on the measure's own plane."""
    east = (LONGITUDE - lon)[None, :] * KM_PER_DEGREE * np.cos(np.radians(lat))
    north = (LATITUDE - lat)[:, None] * KM_PER_DEGREE
    r = np.hypot(east, north)
    rate = 2 * peak / radius / (1 + (r / radius) ** 2)
    return Window(LATITUDE, LONGITUDE, -rate * north, rate * east, *stated)


@pytest.mark.parametrize(("peak", "radius"), [(30.0, 100.0), (20.0, 150.0), (26.0, 80.0)])
@pytest.mark.parametrize("stated", [(20.0, 130.0), (20.8, 129.2)])
def test_measures_of_an_analytic_vortex(peak, radius, stated):
    """Also where the stated centre is 120 km off: the measures follow the vorticity."""
    found = measure(vortex(peak, radius, stated=stated))
    assert found["max_wind"] == pytest.approx(peak, rel=0.02)
    assert found["rmw"] == pytest.approx(radius, abs=8.0)
    assert found["r12"] == pytest.approx(radius * (peak + np.sqrt(peak**2 - 144.0)) / 12.0, abs=12.0)


def test_the_sense_of_rotation_counts():
    window = vortex(30.0, 100.0)
    flipped = Window(LATITUDE, LONGITUDE, -window.u, -window.v, window.lat, window.lon)
    assert abs(measure(flipped)["rmw"] - 100.0) > 50.0  # an anticyclone has no ring of cyclonic wind


def test_a_storm_that_never_reaches_12_metres_a_second_has_no_such_radius():
    assert np.isnan(measure(vortex(11.0, 100.0))["r12"])
    everywhere = vortex(30.0, 100.0)
    windy = Window(LATITUDE, LONGITUDE, everywhere.u + 40.0, everywhere.v, 20.0, 130.0)
    assert np.isnan(measure(windy)["r12"])


@pytest.mark.parametrize("wavelength", [707.0, 353.0, 177.0])
def test_vorticity_of_a_plane_wave_is_found_in_its_band(wavelength):
    amplitude, k = 3e-5, 2 * np.pi / wavelength
    x = (LONGITUDE - 130.0) * KM_PER_DEGREE * np.cos(np.radians(20.0))
    v = amplitude / k * 1e3 * np.sin(k * x)[None, :] + np.zeros((81, 1))
    found = measure(Window(LATITUDE, LONGITUDE, 0 * v, v, 20.0, 130.0))
    bands = {name: value for name, value in found.items() if "vort" in name}
    strongest = max(bands, key=bands.__getitem__)
    high, low = (float(x) for x in strongest.split()[1].split("-"))
    assert low < wavelength <= high
    assert bands[strongest] == pytest.approx(amplitude / np.sqrt(2), rel=0.2)
    assert sorted(bands.values())[-2] < 0.4 * bands[strongest]


def test_the_twin_of_a_patch_is_the_storm_of_the_best_track(season):
    class Frame:
        storm, time = "MAWAR", pd.Timestamp("2023-05-25 12")
        latitude, longitude = 20.0 - 0.5 * np.arange(25), 137.0 + 0.5 * np.arange(25)
        bt_lat, bt_lon = 14.9, 143.1

    tracks = HourlyTracks.build(season)
    twin = reconstructed_window(Frame, tracks, seed=0)
    mawar = season[(season["name"] == "MAWAR") & (season["time"] == Frame.time)].iloc[0]
    assert (twin.lat, twin.lon) == pytest.approx((mawar["lat"], mawar["lon"]))
    Frame.bt_lat = 5.0  # no best track within 300 km
    assert reconstructed_window(Frame, tracks, seed=0) is None


@pytest.fixture(scope="module")
def real_frames():
    if not PATCHES.is_file():
        pytest.skip(f"no real storms: {PATCHES.name} is absent")
    return [patch for storm in open_patches(PATCHES) for patch in storm][::12]


def test_medians_over_real_storms_agree(real_frames):
    """Every twelfth frame of 2016, all classes together: the command takes every frame and each class by itself."""
    best = shipped.load("wmo").table
    table = compare(real_frames, HourlyTracks.build(best[best["season"] == 2016]))
    frames = table.loc["all", "frames"]
    assert frames["max_wind"] > 40
    assert 0 < frames["r12"] < frames["max_wind"]  # weak storms have no radius of 12 m/s
    assert {"TS", "TY", "all"} <= set(table.index.get_level_values("class"))
    assert (abs(table.loc["all", "ratio"] - 1) < TOLERANCE).all(), table.loc["all"]


@pytest.mark.parametrize(("ratio", "code"), [(1.19, 0), (0.81, 0), (1.21, 1), (0.79, 1)])
def test_the_command_fails_where_a_median_is_off(monkeypatch, real_frames, ratio, code):
    index = pd.MultiIndex.from_tuples([("all", "rmw"), ("all", "r12")], names=["class", "measure"])
    result = pd.DataFrame({"frames": 9, "era5": 1.0, "reconstruction": [1.0, ratio], "ratio": [1.0, ratio]}, index)
    monkeypatch.setattr(calibration, "open_patches", lambda path: [real_frames[:1]])
    monkeypatch.setattr(calibration, "compare", lambda patches, tracks: result)
    assert calibration.main(["patches.nc"]) == code


@pytest.mark.parametrize("arguments", [[], ["a.nc", "b.nc"], ["absent.nc"]])
def test_the_command_refuses_other_arguments(arguments, capsys):
    assert calibration.main(arguments) == 2
    assert "error: " in capsys.readouterr().out
