"""The ground of a cone: circles in km on the sphere, wherever on the globe."""

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verify.test_cone import season
from typhoon_tracker import track
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo import sphere
from typhoon_tracker.verify.cone import Cone
from typhoon_tracker.verify.cone_area import areas, swath

latitudes, longitudes = st.floats(-60, 60), st.floats(-180, 540)


@given(lat=latitudes, lon=longitudes, radius=st.floats(5, 900), bearing=st.floats(0, 360))
@settings(max_examples=60, deadline=None)
def test_a_circle_holds_what_is_nearer_and_nothing_further(lat, lon, radius, bearing):
    circle = swath(lat, lon, radius)
    for share, inside in ((0.999, True), (1.002, False)):
        at_lat, at_lon = sphere.destination(lat, lon, bearing, share * radius)
        at_lon = lon + (at_lon - lon + 180) % 360 - 180
        assert circle.contains(shapely.Point(at_lon, at_lat)) is inside


@given(lat=latitudes, lon=longitudes, turn=st.sampled_from([-360, 360]), shift=st.floats(-180, 180))
@settings(max_examples=30, deadline=None)
def test_a_swath_moves_with_its_track_around_the_globe(lat, lon, turn, shift):
    lats, lons, radii = lat + np.array([0.0, 1.0, 1.5]), lon + np.array([0.0, -1.0, -3.0]), [50.0, 120.0, 200.0]
    here = swath(lats, lons, radii)
    there = swath(lats, lons + shift, radii)
    assert there.area == pytest.approx(here.area, rel=1e-6)
    assert there.centroid.x - here.centroid.x == pytest.approx(shift, abs=1e-6)
    # A longitude may be spelled on another turn from fix to fix.
    assert swath(lats, lons + np.array([0, turn, 0]), radii).equals_exact(here, 1e-6)


def test_a_swath_over_the_meridian_and_the_date_line_is_one_piece():
    for lon in ([359.0, 1.0], [179.0, -179.0]):
        area = swath([20.0, 21.0], lon, [100.0, 150.0])
        assert area.geom_type == "Polygon"
        west, _, east, _ = area.bounds
        assert east - west < 6


@given(st.lists(st.tuples(st.floats(5, 40), st.floats(100, 179), st.floats(10, 300)), min_size=2, max_size=5))
@settings(max_examples=30, deadline=None)
def test_a_swath_holds_all_its_circles_and_the_ground_between(points):
    lat, lon, radius = map(np.array, zip(*points, strict=True))
    area = swath(lat, lon, radius).buffer(1e-6)
    for point in points:
        assert area.contains(swath(*point))
    assert area.contains(shapely.LineString(np.column_stack([lon, lat])))


def test_unknown_fixes_are_left_out_and_impossible_circles_refused():
    assert swath([20.0, np.nan], [130.0, np.nan], 100.0).equals(swath(20.0, 130.0, 100.0))
    for given_, said in (
        (([np.nan], [130.0], 100.0), "at least 1 fix"),
        (([20.0], [130.0], 0.0), "more than 0"),
        (([89.0], [130.0], 200.0), "holds a pole"),
    ):
        with pytest.raises(InputError, match=said):
            swath(*given_)


def test_the_areas_of_a_forecast_lie_in_each_other_and_grow_with_lead():
    cone = Cone.fit(season(leads=(1, 6, 12)))
    lead = pd.Timedelta(hours=1) * np.arange(1, 15)
    init = pd.Timestamp("2023-08-01")
    fixes = track.create(
        track_id="A", time=init + lead, lat=20 + 0.1 * np.arange(14), lon=130.0, init_time=init, lead_time=lead
    )
    shapes = areas(cone, fixes)
    assert list(shapes) == [0.67, 0.9]
    assert shapes[0.9].contains(shapes[0.67])
    last = swath(fixes["lat"].iloc[11], 130.0, cone.radius(12, 0.9))
    assert shapes[0.9].buffer(1e-9).contains(last)
    assert shapes[0.9].bounds[3] == pytest.approx(last.bounds[3])  # 13 and 14 h have no radius
    assert areas(cone, fixes[fixes["lead_time"] > pd.Timedelta(hours=12)]) == {}
    with pytest.raises(InputError, match="2 init times"):
        areas(cone, pd.concat([fixes, fixes.assign(init_time=init + lead[0])]))
