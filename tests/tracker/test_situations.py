"""The situations a tracker must survive, each with known truth: every storm found, one name each, nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from tests.tracker.vortex import Vortex, fields, straight
from typhoon_tracker.geo.grid import PAPER_REGION, Region
from typhoon_tracker.geo.sphere import destination, distance
from typhoon_tracker.tracker.settings import preset
from typhoon_tracker.tracker.storms import find_storms

START = pd.Timestamp("2023-08-01")
CLEAN, DISTURBED = 2.0, 5.0  # km, the mean error of the centre allowed
PACIFIC = Region(34.0, 6.0, 140.0, 180.0, step=0.25)


def errors(storms: pd.DataFrame, *truths: pd.DataFrame, within: float = 100.0) -> np.ndarray:
    """Distances (km) of all fixes to their truths; asserts one name a truth, every time of it, and no other track."""
    assert storms["track_id"].nunique() == len(truths)
    away, names = [], []
    for truth in truths:
        both = truth.drop(columns="track_id").merge(storms, on="time", suffixes=("_true", ""))
        km = distance(both["lat"], both["lon"], both["lat_true"], both["lon_true"])
        assert list(both["time"][km < within]) == list(truth["time"])
        (name,) = both["track_id"][km < within].unique()
        names.append(name)
        away.append(km[km < within])
    assert len(set(names)) == len(truths)
    assert len(storms) == sum(map(len, truths))
    return np.concatenate(away)


def disturbed(data: xr.Dataset, *, noise: float = 0.0, blur: float = 0.0) -> xr.Dataset:
    """Fields with white noise (Pa, and a hundredth of that in m/s) or blurred by so many degrees."""
    rng = np.random.default_rng(11)
    values = {}
    for name, share in (("msl", 1.0), ("u10", 0.01), ("v10", 0.01)):
        noisy = data[name].values + rng.normal(0.0, noise * share, data[name].shape)
        values[name] = data[name].copy(data=gaussian_filter(noisy, (0, 4 * blur, 4 * blur)).astype(np.float32))
    return data.assign(values)


def a_storm(step: str = "6h", count: int = 9, **vortex: float) -> tuple[xr.Dataset, pd.DataFrame]:
    times = pd.date_range(START, periods=count, freq=step)
    storm = Vortex(**{"eastward": -6.0, "northward": 3.0, **vortex})
    truth = straight(times, 16.0, 168.0, storm)
    return fields([(storm, truth)], times, region=PACIFIC), truth


@pytest.mark.parametrize(("step", "count"), [("15min", 60), ("1h", 25), ("3h", 13), ("6h", 9), ("12h", 5)])
def test_one_storm_at_every_time_step(step, count):
    data, truth = a_storm(step, count)
    assert errors(find_storms(data), truth).mean() < CLEAN


@pytest.mark.parametrize("change", [{"noise": 100.0}, {"blur": 1.25}, {"noise": 100.0, "blur": 0.5}])
def test_noise_and_blur(change):
    data, truth = a_storm()
    assert errors(find_storms(disturbed(data, **change)), truth).mean() < DISTURBED


@pytest.mark.parametrize("change", [{}, {"noise": 100.0}, {"blur": 1.25}, {"noise": 100.0, "blur": 0.5}])
def test_most_fixes_lie_within_two_of_the_errors_they_give(change):
    data, truth = a_storm("1h", 49)
    storms = find_storms(disturbed(data, **change))
    assert (errors(storms, truth) <= 2 * storms["fix_error"]).mean() > 0.8
    assert storms["fix_error"].mean() < DISTURBED


def test_a_weak_storm_blurred_until_its_low_is_open():
    data, truth = a_storm(depth=700.0, radius=80.0)
    steep = data["msl"] + xr.DataArray(1.1 * 25.0 * np.arange(data.sizes["longitude"]), dims="longitude")
    blurred = disturbed(data.assign(msl=steep.astype(np.float32)), blur=1.0)
    lowest = blurred["msl"][0].where(lambda field: field == field.min(), drop=True)
    assert distance(lowest.latitude[0], lowest.longitude[0], truth.lat[0], truth.lon[0]) > 500.0
    assert errors(find_storms(blurred, settings=preset("weak")), truth).mean() < 25.0


def test_two_storms_in_line_at_12_hour_steps():
    times = pd.date_range(START, periods=5, freq="12h")
    storm = Vortex(eastward=-10.0, northward=0.0)
    ahead, behind = straight(times, 22.0, 167.0, storm), straight(times, 22.0, 171.2, storm)
    data = fields([(storm, ahead), (storm, behind)], times, region=PACIFIC)
    assert errors(find_storms(data), ahead, behind).mean() < DISTURBED  # each lies in the other's pressure field


@pytest.mark.parametrize("step", ["1h", "6h"])
def test_a_binary_circling_350_km_apart(step):
    times = pd.date_range(START, START + pd.Timedelta("36h"), freq=step)
    angle = 90.0 - 2.0 * (times - START).total_seconds().to_numpy() / 3600
    one, other = Vortex(2500.0, 70.0), Vortex(3000.0, 70.0)
    tables = []
    for turn in (0.0, 180.0):
        lat, lon = destination(20.0, 160.0, angle + turn, 175.0)
        tables.append(pd.DataFrame({"track_id": "B", "time": times, "lat": lat, "lon": lon}))
    storms = find_storms(fields([(one, tables[0]), (other, tables[1])], times, region=PACIFIC))
    assert errors(storms, *tables).mean() < 20.0


def test_two_storms_that_merge_leave_one_track_through_and_one_that_ends():
    times = pd.date_range(START, periods=17, freq="3h")
    strong, weak = (
        Vortex(4000.0, 100.0, eastward=-3.0, northward=0.0),
        Vortex(1500.0, 70.0, eastward=-8.0, northward=0.0),
    )
    stays, comes = straight(times, 20.0, 158.0, strong), straight(times, 20.0, 165.0, weak)
    apart = distance(stays.lat, stays.lon, comes.lat, comes.lon) > 250.0
    data = fields([(strong, stays), (weak, comes[apart])], times, region=PACIFIC)
    storms = find_storms(data)
    assert storms["track_id"].nunique() == 2
    ended, through = storms.groupby("track_id").size().sort_values().tolist()
    assert through == len(times)
    assert apart.sum() - 1 <= ended <= apart.sum()


def test_a_storm_enters_and_leaves_over_the_edge():
    times = pd.date_range(START, periods=25, freq="3h")
    storm = Vortex(eastward=-14.0, northward=0.0)
    truth = straight(times, 20.0, 182.0, storm)
    region = Region(34.0, 6.0, 156.0, 180.0)
    inside = truth[(truth.lon <= 179.0) & (truth.lon >= 157.0)]
    away = errors(find_storms(fields([(storm, truth)], times, region=region)), inside)
    assert away.mean() < DISTURBED
    assert away.max() < 15.0


@pytest.mark.parametrize("missing", range(1, 7))
def test_missing_frames(missing):
    data, truth = a_storm("3h", 17)
    gap = list(range(6, 6 + missing))
    assert errors(find_storms(data.drop_isel(time=gap)), truth.drop(index=gap)).mean() < CLEAN


@pytest.mark.parametrize("west", [0.0, -180.0])
@pytest.mark.parametrize("eastward", [-10.0, 10.0])
def test_a_storm_crosses_0_and_360_of_a_global_grid(eastward, west):
    times = pd.date_range(START, periods=6, freq="6h")
    storm = Vortex(eastward=eastward, northward=0.0)
    globe = Region(0.0, -36.0, west, west + 359.5, step=0.5)
    one = straight(times, -18.0, -np.sign(eastward) * 4.5, storm)
    other = straight(times, -18.0, 180.0 - np.sign(eastward) * 4.5, storm)
    storms = find_storms(fields([(storm, one), (storm, other)], times, region=globe, gradient=(0.0, 0.0)))
    assert storms["lon"].between(0, 360, inclusive="left").all()
    assert errors(storms, one, other).mean() < CLEAN


def test_two_storms_born_in_the_same_frame_and_one_more_later():
    times = pd.date_range(START, periods=13, freq="6h")
    storms = [Vortex(2000.0), Vortex(4000.0, profile="fujita"), Vortex(2500.0, 80.0)]
    tracks = [straight(times, 14.0, 150.0, storms[0])[3:], straight(times, 18.0, 172.0, storms[1])[3:]]
    tracks.append(straight(times, 12.0, 161.0, storms[2])[6:])
    data = fields(list(zip(storms, tracks, strict=True)), times, region=PACIFIC)
    assert errors(find_storms(data), *tracks).mean() < CLEAN


def test_a_storm_crosses_land_and_decays():
    times = pd.date_range(START, periods=17, freq="3h")
    truth = straight(times, 17.0, 126.0, Vortex(eastward=-6.0, northward=0.5))  # over Luzon
    weaker = np.where(truth.lon > 122.0, 3500.0, 1500.0)
    parts = [
        (Vortex(float(depth), 90.0, eastward=-6.0, northward=0.5), truth.iloc[[i]]) for i, depth in enumerate(weaker)
    ]
    data = fields(parts, times, region=Region(30.0, 6.0, 108.0, 136.0))
    over_land = np.array([100_000.0 if lon < 122.0 else 0.0 for lon in data.longitude.values])
    calm = np.where(over_land > 0, 0.7, 1.0)[None, None, :].astype(np.float32)
    storms = find_storms(data.assign(u10=data.u10 * calm, v10=data.v10 * calm))
    assert errors(storms, truth).mean() < DISTURBED


def test_lows_that_are_no_typhoons():
    times = pd.date_range(START, periods=9, freq="6h")
    heat = Vortex(1500.0, 200.0, "fujita", windy=False)
    windy = Vortex(1500.0, 150.0, "fujita", eastward=0.0, northward=0.0)
    inland, at_sea = straight(times, 32.0, 112.0, windy), straight(times, 22.0, 128.0, Vortex())
    data = fields([(heat, straight(times, 28.0, 117.0, heat)), (windy, inland), (Vortex(), at_sea)], times)
    assert errors(find_storms(data), at_sea).mean() < DISTURBED


def test_an_extratropical_low_is_told_by_its_thermal_contrast_and_by_its_core():
    data, truth = a_storm(northward=2.0)
    lat = data["latitude"].to_numpy()[:, None] + 0.0 * data["longitude"].to_numpy()
    steep = np.broadcast_to(290.0 - 4.0 * (lat - 20.0), data["msl"].shape).astype(np.float32)
    mild = np.broadcast_to(300.0 - 0.3 * (lat - 20.0), data["msl"].shape).astype(np.float32)
    dims = data["msl"].dims
    assert find_storms(data.assign(t2m=(dims, steep))).empty
    assert errors(find_storms(data.assign(t2m=(dims, mild))), truth).mean() < CLEAN
    low = (data["msl"] - 101_000.0) / 11.8
    warm, cold = (5860.0 + 0.5 * low).astype(np.float32), (5860.0 + 1.5 * low).astype(np.float32)
    assert errors(find_storms(data.assign(z500=warm)), truth).mean() < CLEAN
    assert find_storms(data.assign(z500=cold)).empty


def test_without_wind_the_pressure_and_without_pressure_the_wind():
    data, truth = a_storm()
    by_pressure = find_storms(data[["msl"]])
    assert errors(by_pressure, truth).mean() < CLEAN
    assert by_pressure["wind"].isna().all()
    by_wind = find_storms(data[["u10", "v10"]], mass="vorticity")
    assert errors(by_wind, truth).mean() < 20.0
    assert by_wind["msl"].isna().all()


def test_presets_are_nested():
    strong, weak = Vortex(3000.0, 100.0), Vortex(100.0, 250.0, "fujita", 0.0, 0.0)
    times = pd.date_range(START, periods=11, freq="6h")
    one, other = straight(times, 14.0, 150.0, strong), straight(times, 14.0, 168.0, weak)
    data = fields([(strong, one), (weak, other)], times, region=PACIFIC)
    assert errors(find_storms(data, settings=preset("tempest")), one).mean() < CLEAN
    assert errors(find_storms(data), one).mean() < CLEAN
    assert find_storms(data, settings=preset("weak"))["track_id"].nunique() == 2


def test_the_region_of_the_paper_holds_a_day_of_one_storm():
    times = pd.date_range(START, periods=25, freq="1h")
    truth = straight(times, 20.0, 130.0, Vortex())
    assert errors(find_storms(fields([(Vortex(), truth)], times, region=PAPER_REGION)), truth).mean() < CLEAN
