"""What the tables say is what the numbers are."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from rich.console import Console

from tests.verify.tables import errors_of
from tests.verify.test_cone import season
from tests.verify.test_detection import STORM, found, verdict
from tests.verify.test_report import errors
from typhoon_tracker.verify.agency_spread import summary as agency_summary
from typhoon_tracker.verify.agency_spread import together
from typhoon_tracker.verify.breakdown import by_storm, components, intensity
from typhoon_tracker.verify.cone import Cone, coverage
from typhoon_tracker.verify.report import one_forecast
from typhoon_tracker.verify.statistics import compare
from typhoon_tracker.verify.tables import (
    agency_table,
    comparison,
    component_table,
    coverage_table,
    detection_table,
    intensity_table,
    storm_table,
)

STORMS = ["A", "A", "B", "B", "C", "C"]


def printed(table: object) -> list[list[str]]:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table)
    lines = [line for line in console.export_text().splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def both() -> pd.DataFrame:
    model = errors_of("model", [10, 20, 30, np.nan, 50, 60], storm=STORMS, msl_error=100.0, wind_error=[2.0] * 6)
    return pd.concat([model, errors_of("persistence", [20, 20, 60, 1, 100, 120], storm=STORMS)], ignore_index=True)


def test_a_row_a_storm() -> None:
    rows = printed(storm_table(by_storm(both())))
    assert rows == [
        ["6 h", "A", "2", "15.0", "20.0"],
        ["6 h", "B", "1", "30.0", "60.0"],
        ["6 h", "C", "2", "55.0", "110.0"],
    ]


def test_a_comparison_says_how_much_and_how_sure() -> None:
    compared = compare(both(), reference="persistence", draws=500)
    (row,) = printed(comparison(compared))
    assert row[:6] == ["6 h", "model", "persistence", "5", "3", "-30.0"]
    assert row[7] == f"{compared['p_value'].iloc[0]:.4f}"
    assert row[8:] == ["+46.9", "100.0"]


def test_components_and_intensities_keep_their_signs() -> None:
    (model, _) = printed(component_table(components(both(), draws=100)))
    assert model[:3] == ["6 h", "model", "5"]
    assert model[4] == "+34.0"
    (row,) = printed(intensity_table(intensity(both(), draws=100)))  # persistence forecasts none
    assert row == ["6 h", "model", "6", "+1.0", "1.0..1.0", "1.0", "6", "+2.0", "2.0..2.0", "2.0"]


def test_coverage_has_a_row_a_lead_and_one_for_all() -> None:
    cone = Cone.fit(season())
    covered = coverage(cone, season(seed=3), draws=100)
    rows = printed(coverage_table(covered))
    assert [row[0] for row in rows] == ["3 h", "6 h", "12 h", "all"]
    assert rows[1][3] == f"{cone.radius(6, 0.67):.0f}"
    assert rows[3][3] == "-"
    assert rows[3][1] == "600"


def test_a_forecast_s_radii_stand_beside_its_fixes() -> None:
    cone = Cone.fit(season())
    rows = printed(one_forecast(errors({3: (11.6, 9.4), 12: (44.0, 57.2)}), cone=cone))
    assert [row[4:6] for row in rows] == [[f"{cone.radius(h, p):.0f}" for p in cone.levels] for h in (3, 12)]


def test_agencies_and_detections() -> None:
    from tests.verify.test_agency_spread import FIRST, tracks

    rows = printed(agency_table(agency_summary(together(tracks(FIRST), tracks(FIRST)), draws=10), title="JMA and JTWC"))
    assert rows[-1][:4] == ["all", "8", "1", "0.0"]
    cells = dict(printed(detection_table(verdict([found(STORM, north=8.0)]))))
    assert (cells["hits"], cells["misses"], cells["false alarms"]) == ("0", "8", "8")
    assert (cells["POD %"], cells["FAR %"], cells["mean distance km"]) == ("0.0", "100.0", "-")
    assert cells["false tracks"] == "1 of 1"
