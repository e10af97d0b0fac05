"""What the tables say is what the errors are."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from rich.console import Console

from typhoon_tracker.outputs import SHOWN
from typhoon_tracker.verify.cone import Cone
from typhoon_tracker.verify.report import one_forecast


def errors(leads: dict[int, tuple[float, float]], *, interpolated: tuple[int, ...] = ()) -> pd.DataFrame:
    """Errors of the model and of persistence by lead, from one init time."""
    init = pd.Timestamp("2023-05-27 00:00")
    rows = [
        {
            "init_time": init,
            "lead_time": pd.Timedelta(hours=lead),
            "time": init + pd.Timedelta(hours=lead),
            "method": method,
            "lat": 16.25 if np.isfinite(error) else np.nan,
            "lon": 134.5 if np.isfinite(error) else np.nan,
            "error_km": error,
            "interpolated": lead in interpolated,
        }
        for lead, pair in leads.items()
        for method, error in zip(("model", "persistence"), pair, strict=True)
    ]
    return pd.DataFrame(rows)


def printed(table: object) -> list[str]:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text().splitlines()


def row(lines: list[str], lead: str) -> list[str]:
    line = next(line for line in lines if line.startswith(f"│{lead:>4}│"))
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_a_single_forecast_has_a_row_a_lead_with_its_fix_and_every_method() -> None:
    lines = printed(one_forecast(errors({3: (11.6, 9.4), 12: (44.0, 57.2)}, interpolated=(3,))))
    assert row(lines, "3 h") == ["3 h", "27 03Z *", "16.25", "134.50", "12", "9"]
    assert row(lines, "12 h") == ["12 h", "27 12Z", "16.25", "134.50", "44", "57"]


def test_every_method_that_a_run_shows_has_room_beside_the_cone_on_80_columns() -> None:
    cone = Cone((12.0,), (0.67, 0.9), ((91.0,), (138.0,)), (210,), (20,), (0,))
    one = errors({12: (144.0, 157.2)}, interpolated=(12,))
    table = pd.concat([one[one["method"] == "model"].assign(method=name) for name in SHOWN])
    console = Console(width=80, file=io.StringIO())
    console.print(one_forecast(table, cone=cone))
    assert "\u2026" not in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_lost_lead_is_shown_as_lost() -> None:
    lines = printed(one_forecast(errors({6: (np.nan, 25.0)})))
    assert row(lines, "6 h") == ["6 h", "27 06Z", "-", "-", "-", "25"]
