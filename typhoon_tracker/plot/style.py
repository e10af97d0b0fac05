"""Colours, marks and words of the figures: safe for the colour-blind, ordered in grey."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

Style = dict[str, Any]  # keywords of a matplotlib artist

LAND, COAST, GRID, INK, QUIET = "#e3dfd6", "#8a857b", "#cfcfcf", "#1a1a1a", "#595959"
FORECAST = "#d55e00"  # vermilion (Okabe and Ito), the model's colour on every panel


@dataclass(frozen=True)
class Intensity:
    """A class of the Japan Meteorological Agency's scale: its mark and the wind, m s-1, from which it holds."""

    name: str
    from_wind: float
    colour: str
    size: float  # marker diameter, points

    @property
    def label(self) -> str:
        if np.isnan(self.from_wind):
            return self.name
        return f"{self.name} ≥ {self.from_wind:g}" if self.from_wind > 0 else f"{self.name} < 17.2"


# Cividis from light to dark: monotone in grey, and read the same with any colour vision.
INTENSITIES = (
    Intensity("TD", 0.0, "#fee838", 4.0),
    Intensity("TS", 17.2, "#cebc63", 4.8),
    Intensity("STS", 24.5, "#9e9676", 5.6),
    Intensity("TY", 32.7, "#737475", 6.4),
    Intensity("very strong", 43.7, "#3b496c", 7.2),
    Intensity("violent", 54.0, "#00224e", 8.2),
)
UNKNOWN = Intensity("unknown", np.nan, "#ffffff", 3.6)


@dataclass(frozen=True)
class Method:
    """How a forecast method is called and drawn on the error panels; `width` is that of its line in points."""

    label: str
    colour: str
    line: str
    width: float
    marker: str


METHODS = {
    "model": Method("model", FORECAST, "-", 1.8, "o"),
    "adjusted": Method("model, adjusted", "#e69f00", "-", 1.1, "D"),
    "consensus": Method("model and CLIPER", "#cc79a7", "-", 1.1, "v"),
    "persistence": Method("persistence", "#0072b2", "--", 0.9, "s"),
    "cliper": Method("CLIPER-like", "#009e73", ":", 1.1, "^"),
    "analysis": Method("tracker on analysis", "#8c8c8c", "-", 0.9, ""),
}


def intensity(wind: float) -> Intensity:
    """Return the intensity class of a maximum wind in m s-1; NaN is `UNKNOWN`."""
    if np.isnan(wind):
        return UNKNOWN
    return [c for c in INTENSITIES if wind >= c.from_wind][-1]


def mark_interpolated(table: pd.DataFrame) -> np.ndarray:
    """Tell which rows lie between original fixes, by the column `interpolated` or `original`; without them, none."""
    small = np.zeros(len(table), bool)
    if "interpolated" in table:
        small |= table["interpolated"].eq(True).to_numpy()
    if "original" in table:
        small |= table["original"].eq(False).to_numpy()
    return small
