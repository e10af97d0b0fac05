"""Forecast fields about a storm refined, and its centre found on the fine fields as on the coarse ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from typhoon_tracker.downscale.centres import METHODS, centres, compared
from typhoon_tracker.downscale.folder import Refiner, find, load
from typhoon_tracker.downscale.interpolation import interpolation, is_interpolation
from typhoon_tracker.downscale.model import Normalisation
from typhoon_tracker.downscale.refine import refine
from typhoon_tracker.downscale.variables import SPEED
from typhoon_tracker.errors import InputError
from typhoon_tracker.forecast.base import Forecaster, valid_frames
from typhoon_tracker.plot.patches import REACH, Mark, Panel, draw
from typhoon_tracker.tracker.frame import Frame, frames

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEFAULT = "bicubic+additive"
FACTORS = (2, 4, 8)
VARIABLES = ("msl", "u10", "v10")  # of which a centre is made
POINTS = 64  # along a side of the coarse patch: 16 degrees of a grid of 0.25
ROUND = Normalisation(mean=(101_000.0, 0.0, 0.0), std=(1000.0, 10.0, 10.0), low=(0.0,) * 3, high=(1.0,) * 3)
COARSE, FINE = "coarse", "fine"
FILES = ("downscaled.csv", "downscaled.png")
Progress = Callable[[str, int, int], None]


class Watched:
    """A forecaster whose frames at some leads are kept as they come, by init time and lead time."""

    def __init__(self, forecaster: Forecaster, leads: Sequence[int]) -> None:
        self.name, self.folder, self.seasons_seen = forecaster.name, forecaster.folder, forecaster.seasons_seen
        self.frames_in, self.horizon_hours = forecaster.frames_in, forecaster.horizon_hours
        self.frames: dict[tuple[pd.Timestamp, pd.Timedelta], xr.Dataset] = {}
        self._forecaster, self._leads = forecaster, pd.to_timedelta(list(leads), unit="h")

    def hindcast(
        self, fields: xr.Dataset, init_times: pd.DatetimeIndex, lead_hours: Sequence[int]
    ) -> Iterator[xr.Dataset]:
        """Yield the forecasts of the forecaster."""
        for forecast in self._forecaster.hindcast(fields, init_times, lead_hours):
            init, held = pd.Timestamp(forecast["init_time"].values[0]), valid_frames(forecast)
            for lead in self._leads:
                self.frames[init, lead] = held[list(VARIABLES)].sel(time=[init + lead]).copy(deep=True)
            yield forecast


@dataclass(frozen=True, eq=False)
class Picture:
    """One case on both grids."""

    panels: Sequence[Panel]
    marks: Sequence[Mark]
    title: str
    subtitle: str


@dataclass(frozen=True, eq=False)
class Refined:
    """A row a case, method and grid with the centre and its error; what a summary says of it; and a case to draw."""

    table: pd.DataFrame  # init_time, lead_hours, time, method, grid, lat, lon, error_km
    facts: dict
    picture: Picture | None  # None where there was no case

    def write(self, folder: Path) -> None:
        """Write `downscaled.csv` and, where a case was refined, `downscaled.png`."""
        self.table.to_csv(folder / FILES[0], index=False, float_format="%.4f")
        figure = self.figure()
        if figure is not None:
            figure.savefig(folder / FILES[1])

    def figure(self) -> Figure | None:
        """Return the picture, or None where no case was refined."""
        if self.picture is None:
            return None
        one, errors = self.picture, _bars(self.facts)
        return draw(one.panels, one.marks, errors=errors, title=one.title, subtitle=one.subtitle)

    def lines(self) -> list[str]:
        """Return what a person reads of it."""
        facts = self.facts
        grids = " to ".join(f"{step:g}" for step in facts["spacing_deg"])
        said = [f"downscaled x{facts['factor']} by {facts['by']}, {grids} degrees, {facts['n']} cases:"]
        for method, label in METHODS.items():
            if facts["n"]:
                km = facts["error_km"][method]
                said.append(
                    f"  {label:<26} coarse {km[COARSE]:6.1f} km   fine {km[FINE]:6.1f} km   (mean to the best track)"
                )
        if facts["n_left_out"]:
            said.append(f"  {facts['n_left_out']} cases left out: no centre on the coarse or on the fine field")
        return [*said, *(f"  note: {note}" for note in facts["notes"])]


class Refining:
    """A factor and the downscalers that give fine MSL and wind by it."""

    def __init__(self, factor: int, model: str = DEFAULT) -> None:
        """Open them; InputError for another factor than 2, 4, 8, and for a model that does not fit single forecasts.

        What a trained model does not refine, bicubic interpolation with the additive layer does.
        """
        if factor not in FACTORS:
            raise InputError(f"--downscale {factor} is none of {', '.join(map(str, FACTORS))}; give one of them.")
        self.factor, self.name = factor, model
        if is_interpolation(model):
            self.refiners = [_interpolation(model, VARIABLES, factor)]
            return
        trained = load(find(model))
        _check(trained, factor)
        left = [name for name in VARIABLES if name not in trained.variables]
        self.name = trained.name if not left else f"{trained.name} ({', '.join(left)} by {DEFAULT})"
        self.refiners = [trained, *([_interpolation(DEFAULT, left, factor)] if left else [])]

    def refine(self, watched: Watched, errors: pd.DataFrame, *, storm: str, progress: Progress) -> Refined:
        """Return the centres on coarse and fine patches about the model's fixes, in the cases that are scored.

        `errors` is the table of `verify.errors.score`. Both grids are searched from the model's fix on. The case that
        is drawn is that of the strongest best-track wind, of those well inside the region if there are any.
        """
        cases = errors[(errors["method"] == "model") & errors["lat"].notna()].reset_index(drop=True)
        shown = _to_show(cases, watched)
        rows: list[dict] = []
        picture = None
        worst: dict[str, float] = {}
        notes: list[str] = []
        for i, case in cases.iterrows():
            coarse = _patch(watched.frames[case["init_time"], case["lead_time"]], case["lat"], case["lon"])
            fine, violation, notes = self.fine(coarse)
            worst = {name: max(worst.get(name, 0.0), value) for name, value in violation.items()}
            found = {
                grid: centres(_frame(part), case["lat"], case["lon"]) for grid, part in ((COARSE, coarse), (FINE, fine))
            }
            rows += compared(case, found)
            if i == shown:
                picture = _picture(case, coarse, fine, found, storm=storm, model=watched.name, refining=self)
            progress("downscaling", int(str(i)) + 1, len(cases))
        return Refined(*self._summed(rows, worst, notes, watched), picture)

    def fine(self, coarse: xr.Dataset) -> tuple[xr.Dataset, dict[str, float], list[str]]:
        """Return the fine fields, the largest |block mean - coarse| by variable, and what a reader should know."""
        made = [refine(coarse, one, progress=_silent) for one in self.refiners]
        data = {name: values for one in made for name, values in one.fields.data_vars.items()}
        violation = {name: value for one in made for name, value in one.violation.items()}
        return xr.Dataset(data, attrs=made[0].fields.attrs), violation, [note for one in made for note in one.notes]

    def _summed(
        self, rows: list[dict], worst: dict[str, float], notes: list[str], watched: Watched
    ) -> tuple[pd.DataFrame, dict]:
        columns = ("init_time", "lead_hours", "time", "method", "grid", "lat", "lon", "error_km")
        table = pd.DataFrame(rows, columns=columns)
        step = 0.0
        if watched.frames:
            latitude = next(iter(watched.frames.values()))["latitude"].values
            step = round(float(abs(latitude[1] - latitude[0])), 4)
        keys = ["init_time", "lead_hours"]
        whole = table.groupby(keys)["error_km"].transform(lambda km: km.notna().all()).astype(bool)
        means = table[whole].groupby(["method", "grid"])["error_km"].mean()
        facts = {
            "factor": self.factor,
            "by": self.name,
            "spacing_deg": [step, step / self.factor],
            "n": len(table[whole].drop_duplicates(keys)),
            "n_left_out": len(table[~whole].drop_duplicates(keys)),
            "error_km": {
                method: {grid: round(float(means[method, grid]), 1) for grid in (COARSE, FINE)}
                for method in METHODS
                if len(means)
            },
            "largest_block_mean_violation": {name: float(f"{value:.3g}") for name, value in worst.items()},
            "notes": notes,
        }
        return table, facts


def _check(trained: Refiner, factor: int) -> None:
    if trained.factor != factor:
        raise InputError(
            f"{trained.name} refines by {trained.factor}, not by {factor}; give --downscale {trained.factor}."
        )
    frames_in = int(trained.training.get("frames") or 1)
    if frames_in > 1:
        raise InputError(f"{trained.name} looks along {frames_in} frames; a patch is one. Give a model of one frame.")
    strange = [name for name in trained.variables if name not in (SPEED, *VARIABLES)]
    if strange:
        known = ", ".join((SPEED, *VARIABLES))
        raise InputError(
            f"{trained.name} refines {', '.join(strange)}, which is not in a forecast's patch; known: {known}."
        )


def _interpolation(name: str, variables: Sequence[str], factor: int) -> Refiner:
    at = [VARIABLES.index(variable) for variable in variables]
    columns = ([values[i] for i in at] for values in (ROUND.mean, ROUND.std, ROUND.low, ROUND.high))
    return interpolation(name, variables, factor=factor, normalisation=Normalisation(*columns))


def _patch(fields: xr.Dataset, lat: float, lon: float) -> xr.Dataset:
    """The points about a fix, as many as there are up to the edge of the region."""

    def near(axis: np.ndarray, at: float) -> slice:
        first = int(np.abs(axis - at).argmin()) - POINTS // 2
        first = max(0, min(first, len(axis) - POINTS))
        return slice(first, first + POINTS)

    return fields.isel(latitude=near(fields["latitude"].values, lat), longitude=near(fields["longitude"].values, lon))


def _frame(fields: xr.Dataset) -> Frame:
    return next(frames(fields))


def _wind(fields: xr.Dataset) -> np.ndarray:
    return fields[SPEED].values[0] if SPEED in fields else np.hypot(fields["u10"].values[0], fields["v10"].values[0])


def _to_show(cases: pd.DataFrame, watched: Watched) -> int | None:
    if cases.empty:
        return None
    fields = next(iter(watched.frames.values()))
    south, north = float(fields["latitude"][-1]) + REACH, float(fields["latitude"][0]) - REACH
    west, east = float(fields["longitude"][0]) + REACH, float(fields["longitude"][-1]) - REACH
    inside = cases["truth_lat"].between(south, north) & cases["truth_lon"].between(west, east)
    wind = cases["truth_wind"].fillna(0.0)
    return int(wind.where(inside, -1.0 if inside.any() else wind).argmax())


def _picture(
    case: pd.Series,
    coarse: xr.Dataset,
    fine: xr.Dataset,
    found: dict[str, dict[str, tuple[float, float]]],
    *,
    storm: str,
    model: str,
    refining: Refining,
) -> Picture:
    source = str(coarse.attrs["source"])
    kind = "reconstructed fields" if source.startswith("reconstruction") else "fields"
    panels = []
    for grid, part in ((COARSE, coarse), (FINE, fine)):
        step = abs(float(part["latitude"][1] - part["latitude"][0]))
        panels.append(
            Panel(
                f"{grid}, {step:g}°", part["latitude"].values, part["longitude"].values, _wind(part),
                part["msl"].values[0], found[grid]["lowest"],
            )
        )  # fmt: skip
    marks = [
        Mark("best track", float(case["truth_lat"]), float(case["truth_lon"])),
        Mark("tracker's fix on coarse", *found[COARSE]["fix"]),
        Mark("tracker's fix on fine", *found[FINE]["fix"]),
    ]
    lead = int(case["lead_time"] / pd.Timedelta(hours=1))
    title = f"{storm}: forecast of {lead} h for {case['time']:%Y-%m-%d %H}Z, downscaled x{refining.factor}, {kind}"
    subtitle = (
        f"fields: {source}\nforecast: {model}; fine fields made by {refining.name}, nothing observed at that scale"
    )
    return Picture(panels, marks, title, subtitle)


def _bars(facts: dict) -> dict[str, tuple[float, float]]:
    return {METHODS[name]: (km[COARSE], km[FINE]) for name, km in facts["error_km"].items()}


def _silent(stage: str, done: int, total: int) -> None:
    pass
