"""Error cones: as wide as past errors were, never narrower with lead, honest about what they hold."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verify.tables import errors_of
from typhoon_tracker import track
from typhoon_tracker.errors import InputError
from typhoon_tracker.verify.cone import FILE, WEIGHTS, Cone, checksum, coverage, of_model

HOUR = pd.Timedelta(hours=1)


def season(n: int = 200, *, scale: float = 1.0, seed: int = 0, storms: int = 20, leads=(3, 6, 12)) -> pd.DataFrame:
    """Errors that grow with lead, each storm's alike in part."""
    rng = np.random.default_rng(seed)
    hard = np.repeat(rng.uniform(0.7, 1.3, storms), n // storms)
    names = [f"S{k}" for k in range(storms) for _ in range(n // storms)]
    return pd.concat(
        [errors_of("model", scale * lead * hard * rng.rayleigh(5.0, n), lead=lead, storm=names) for lead in leads],
        ignore_index=True,
    )


def test_the_radius_is_the_corrected_quantile():
    cone = Cone.fit(errors_of("model", np.arange(1.0, 20.0)), levels=(0.5, 0.9))
    # 19 errors: the 10th and the 18th of them, not the 9.5th and 17.1st.
    assert cone.radii_km == ((10.0,), (18.0,))
    nine = Cone.fit(errors_of("model", np.arange(1.0, 10.0)), levels=(0.9,))
    assert nine.radii_km == ((9.0,),)
    with pytest.raises(InputError, match=r"8 errors at 6 h are too few for a 90 % radius, which needs 9"):
        Cone.fit(errors_of("model", np.arange(8.0)), levels=(0.9,))


@given(n=st.integers(9, 25), level=st.sampled_from([0.5, 0.67, 0.8, 0.9]), seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_a_further_error_lies_inside_at_least_as_often_as_promised(n, level, seed):
    """Of n + 1 errors in any order, each is in turn the one to come: the share inside is exact, not sampled."""
    values = np.random.default_rng(seed).exponential(50.0, n + 1)
    inside = 0
    for i in range(n + 1):
        cone = Cone.fit(errors_of("model", np.delete(values, i)), levels=(level,))
        inside += values[i] <= cone.radius(6, level)
    assert level <= inside / (n + 1) < level + 1 / (n + 1) + 1e-9


@given(st.lists(st.floats(1, 500), min_size=4, max_size=8), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_radii_grow_with_lead_and_level(scales, seed):
    rng = np.random.default_rng(seed)
    table = pd.concat([errors_of("model", s * rng.rayleigh(1.0, 12), lead=k + 1) for k, s in enumerate(scales)])
    radii = np.array(Cone.fit(table).radii_km)
    assert (np.diff(radii, axis=1) >= 0).all()
    assert (radii[1] >= radii[0]).all()


def test_radii_between_leads_are_linear_and_beyond_them_unknown():
    cone = Cone.fit(season(leads=(6, 12)))
    a, b = cone.radii_km[0]
    assert cone.radius(9, 0.67) == pytest.approx((a + b) / 2)
    assert np.isnan(cone.radius(3, 0.67))
    assert np.isnan(cone.radius(13, 0.67))
    with pytest.raises(InputError, match=r"no level 0\.5; it was fitted for 0\.67, 0\.9"):
        cone.radius(6, 0.5)


def test_lost_forecasts_are_counted_and_widen_nothing():
    table = season(leads=(6,))
    lost = pd.concat([table, errors_of("model", [np.nan] * 5, storm="X")], ignore_index=True)
    a, b = Cone.fit(table), Cone.fit(lost)
    assert a.radii_km == b.radii_km
    assert (a.lost, b.lost, b.n, b.storms) == ((0,), (5,), (200,), (20,))


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(InputError, match=r"no errors of 'model'.*holds: persistence"):
        Cone.fit(errors_of("persistence", [1.0]))
    with pytest.raises(InputError, match="between 0 and 1"):
        Cone.fit(season(), levels=(0.9, 1.0))


def test_coverage_of_another_season_is_near_the_level_and_its_interval_is_over_storms():
    cone = Cone.fit(season(400, seed=1))
    same = coverage(cone, season(400, seed=2), draws=1000)
    whole = same[same["lead_time"].isna()].set_index("level")
    for level in cone.levels:
        assert whole.loc[level, "inside"] == pytest.approx(level, abs=0.08)
        assert whole.loc[level, "low"] < whole.loc[level, "inside"] < whole.loc[level, "high"]
    harder = coverage(cone, season(400, scale=2.0, seed=2), draws=500)
    assert (harder[harder["level"] == 0.9]["high"] < 0.9).all()
    assert same["n"].tolist() == [400] * 6 + [1200] * 2
    assert same["storms"].unique() == [20]


def test_leads_without_a_radius_are_not_covered():
    cone = Cone.fit(season(leads=(6,)))
    assert coverage(cone, season(leads=(6, 12)), draws=10)["lead_time"].dropna().unique() == [6 * HOUR]
    with pytest.raises(InputError, match=r"no error of 'model' is at a lead of the cone, which has 6 to 6 h"):
        coverage(cone, season(leads=(12,)))


def test_a_cone_comes_back_from_its_file(tmp_path):
    cone = Cone.fit(season(), season=2022, agency="JMA", fields="reconstruction", model="m", weights_sha256="ab")
    path = cone.save(tmp_path / "new" / "cone.json")
    again = Cone.load(path)
    assert np.array(again.radii_km) == pytest.approx(np.array(cone.radii_km), abs=0.05)
    named = ("lead_hours", "levels", "n", "storms", "lost", "season", "agency", "fields", "model", "weights_sha256")
    assert [getattr(again, name) for name in named] == [getattr(cone, name) for name in named]
    assert again.save(path) == path
    assert Cone.load(path) == again
    assert {"radii_km", "n", "storms", "season", "agency", "fields", "weights_sha256"} <= set(
        json.loads(path.read_text())
    )


def test_a_cone_of_other_weights_is_refused(tmp_path):
    (tmp_path / WEIGHTS).write_bytes(b"these")
    assert of_model(tmp_path) is None
    Cone.fit(season(), weights_sha256=checksum(tmp_path / WEIGHTS)).save(tmp_path / FILE)
    assert of_model(tmp_path) is not None
    (tmp_path / WEIGHTS).write_bytes(b"those")
    with pytest.raises(InputError, match="fitted to other weights"):
        of_model(tmp_path)
    Cone.fit(season()).save(tmp_path / FILE)
    with pytest.raises(InputError, match="no weights"):
        of_model(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"levels": 3}'])
def test_a_file_that_is_no_cone_is_refused(text, tmp_path):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(InputError, match="holds no error cone"):
        Cone.load(tmp_path / FILE)
    with pytest.raises(InputError, match="cannot be read"):
        Cone.load(tmp_path / "absent.json")


def test_a_cone_with_a_row_too_short_is_refused(tmp_path):
    path = Cone.fit(season()).save(tmp_path / FILE)
    facts = json.loads(path.read_text())
    facts["radii_km"][0].pop()
    path.write_text(json.dumps(facts))
    with pytest.raises(InputError, match="radii do not fit"):
        Cone.load(path)


def test_fixes_get_radii_and_probabilities():
    cone = Cone.fit(season(leads=(6, 12)))
    lead = HOUR * np.array([3, 6, 12])
    init = pd.Timestamp("2023-08-01")
    fixes = track.create(
        track_id="A", time=init + lead, lat=[20.0, 21.0, np.nan], lon=130.0, init_time=init, lead_time=lead
    )
    radii = cone.with_radii(fixes)
    assert radii["cone_67_km"].isna().tolist() == [True, False, False]
    assert radii["cone_90_km"].iloc[1] == cone.radius(6, 0.9)
    long = cone.probabilities(fixes)
    assert long["probability"].tolist() == [0.67, 0.9]  # one fix has a position and a radius
    assert long["radius"].tolist() == [cone.radius(6, p) for p in cone.levels]
