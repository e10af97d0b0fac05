"""Track forecasts of real storms by trained networks and by simple rules, on the same cases, against the best track.

Every forecast starts from what was known at its init time: the window, the tracker's own fixes up to then, the best
track up to then. The truth serves the errors alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from typhoon_tracker.besttrack import shipped
from typhoon_tracker.forecast.model import FieldModel
from typhoon_tracker.real_storms.windows import (
    BLOCK,
    FUTURE,
    PAST,
    STEP_HOURS,
    VARIABLES,
    Series,
    Window,
    cut,
    downstream_corner,
    init_indices,
)
from typhoon_tracker.sources.reconstruction import TO_TEN_MINUTES
from typhoon_tracker.tracker.follow import Follower
from typhoon_tracker.tracker.frame import Frame
from typhoon_tracker.tracker.settings import ALOFT
from typhoon_tracker.verify import baselines
from typhoon_tracker.verify.adjusted import adjusted
from typhoon_tracker.verify.cliper import Cliper
from typhoon_tracker.verify.consensus import midpoint
from typhoon_tracker.verify.errors import score

LEADS = [pd.Timedelta(hours=STEP_HOURS * (k + 1)) for k in range(FUTURE)]
ADJUSTED = "{}, adjusted"  # to the best track's position at the init time
CONSENSUS = "{} and cliper"  # their midpoint
FLOOR = "tracker on analysis"
CMA_MINUTES = 2  # over which its winds are averaged
Fixes = pd.DataFrame


def fit_clipers(last_season: int) -> list[Cliper]:
    """Return the CLIPER-like regressions of all leads, fitted to JMA's best tracks up to a season."""
    best = shipped.load("wmo").table
    return Cliper.fit_all(best, leads=LEADS, last_season=last_season)


def errors_of(
    series: Series, models: Mapping[str, FieldModel], clipers: Sequence[Cliper], *, batch: int = 32
) -> pd.DataFrame:
    """Return the track errors of one storm, a row a case and method (see `verify.errors.score`); NaN where lost.

    Methods: each model by its name; each again, adjusted to the best track's position at the init time; persistence of
    motion, CLIPER and a storm that stands still, from the best track up to the init time; the midpoint of CLIPER and of
    each tuned network, adjusted; and the floor of all that goes by fields: the tracker in the verifying analysis.
    """
    best = series.best
    inits = list(init_indices(series))
    times = series.times[inits]
    analysed = analyse(series)
    tables = {name: forecasts(series, model, analysed, batch=batch) for name, model in models.items()}
    tables |= {ADJUSTED.format(name): adjusted(table, best, analysed) for name, table in tables.items()}
    tables["persistence"] = pd.concat([baselines.persistence(best, times, lead) for lead in LEADS])
    ten_minutes = best.assign(wind=best["wind"] * TO_TEN_MINUTES[CMA_MINUTES])
    tables["cliper"] = pd.concat([cliper.predict(ten_minutes, times) for cliper in clipers])
    tables |= {
        CONSENSUS.format(name): midpoint(tables[ADJUSTED.format(name)], tables["cliper"])
        for name in models
        if "tuned" in name
    }
    tables["stands still"] = pd.concat([baselines.stationary(best, times, lead) for lead in LEADS])
    own = analysed.set_index("time").reindex(tables["persistence"]["time"])
    tables[FLOOR] = tables["persistence"].assign(lat=own["lat"].to_numpy(), lon=own["lon"].to_numpy())
    scored = pd.concat([score(table, best, method=name) for name, table in tables.items()], ignore_index=True)
    start = best.set_index("time")["wind"].reindex(scored["init_time"]).to_numpy()
    return scored[scored["truth_lat"].notna()].assign(init_wind=start[scored["truth_lat"].notna()])


def analyse(series: Series) -> Fixes:
    """Return the tracker's fixes in a storm's analysed patches (time, lat, lon), NaN where it has none.

    Sought from the best track until first found, as a centre numbers a storm it sees; from then on by its own fixes.
    """
    follower, rows = None, []
    for i, time in enumerate(series.times):
        if follower is None:
            follower = Follower(series.best.iloc[[i]], settings=ALOFT, mass="z500")
        frame = coarse_frame(series, i)
        fix = follower.step(frame)
        rows.append((time, np.nan, np.nan) if fix is None else (time, fix.lat, fix.lon))
        if fix is None and all(np.isnan(lat) for _, lat, _ in rows):
            follower = None
    return pd.DataFrame(rows, columns=["time", "lat", "lon"]).assign(track_id=series.name)


def coarse_frame(series: Series, i: int) -> Frame:
    """Return a storm's whole patch, in blocks of as many points as the networks see."""
    height, width = (n // BLOCK for n in series.fields.shape[-2:])
    u, v, z = (
        series.fields[i, :, : height * BLOCK, : width * BLOCK].reshape(3, height, BLOCK, width, BLOCK).mean((2, 4))
    )
    middle = (BLOCK - 1) / 2
    rows, columns = (
        series.row[i] + middle + BLOCK * np.arange(height),
        series.column[i] + middle + BLOCK * np.arange(width),
    )
    return Frame(series.times[i], 90.0 - 0.25 * rows, 0.25 * columns, z, u, v)


def forecasts(series: Series, model: FieldModel, analysed: Fixes, *, batch: int) -> Fixes:
    """Return a model's forecast fixes of a storm (init_time, lead_time, lat, lon), NaN where the storm is lost."""
    rows = []
    inits = list(init_indices(series))
    for first in range(0, len(inits), batch):
        part = inits[first : first + batch]
        windows = [cut(series, init, downstream_corner(series, init)) for init in part]
        for init, window, frames in zip(part, windows, predict(model, windows), strict=True):
            past = analysed[analysed["time"] <= series.times[init]]
            rows += [
                (series.times[init], lead, *fix) for lead, fix in zip(LEADS, follow(window, frames, past), strict=True)
            ]
    return pd.DataFrame(rows, columns=["init_time", "lead_time", "lat", "lon"])


def predict(model: FieldModel, windows: Sequence[Window]) -> np.ndarray:
    """Return the forecast frames (B, 4, 3, SIZE, SIZE) of windows, from their past frames alone."""
    past = torch.from_numpy(np.stack([window.values[:PAST] for window in windows]))
    with torch.inference_mode():
        return model.eval()(past).numpy()


def follow(window: Window, frames: np.ndarray, past: Fixes) -> list[tuple[float, float]]:
    """Return the storm's fix (lat, lon) in each forecast frame; NaN where it is lost, or was at the init time."""
    known = past.dropna(subset=["lat", "lon"])
    lost = [(np.nan, np.nan)] * len(frames)
    init = past["time"].iloc[-1]
    if known.empty or (init - known["time"].iloc[-1]) > pd.Timedelta(hours=ALOFT.patience):
        return lost
    follower = Follower(known, settings=ALOFT, mass="z500")
    fixes = []
    for lead, values in zip(LEADS, frames, strict=True):
        u, v, z = (values[VARIABLES.index(name)] for name in ("u10", "v10", "z500"))
        fix = follower.step(Frame(init + lead, window.latitude, window.longitude, z, u, v))
        fixes.append((np.nan, np.nan) if fix is None else (fix.lat, fix.lon))
    return fixes
