"""A forecaster explained over storms: what its variables attend to, how its layers resemble, where it is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
import xarray as xr

from typhoon_tracker import hindcast
from typhoon_tracker.besttrack.agencies import BestTracks
from typhoon_tracker.besttrack.motion import interpolate
from typhoon_tracker.besttrack.storms import Storm, find, season_storms
from typhoon_tracker.errors import InputError
from typhoon_tracker.explain.attention import attention_weights, check_attends
from typhoon_tracker.explain.cka import LinearCka
from typhoon_tracker.explain.error_maps import MeanMap, around
from typhoon_tracker.explain.features import layer_names, layers
from typhoon_tracker.explain.model import Explained
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.forecast.base import Forecaster, check_leads
from typhoon_tracker.forecast.checkpoint import read_config
from typhoon_tracker.forecast.persistence import Persistence
from typhoon_tracker.geo.grid import PAPER_REGION
from typhoon_tracker.sources.choice import AUTO, RECONSTRUCTION, choose
from typhoon_tracker.sources.reconstruction import allowed_init_times

HOUR = pd.Timedelta(hours=1)
AROUND_STORM = 32  # grid points to each side of the storm: 8 degrees
Case = tuple[Storm, xr.Dataset, pd.DatetimeIndex]


def chosen_storms(names: Sequence[str], season: int | None, best: BestTracks) -> list[Storm]:
    """Return the storms named (of `season`, if given), or all of a season that are in the region.

    Raises InputError where neither is given, or a storm or season is not known.
    """
    if names:
        return [find(name, season=season, agency=best.agency, best=best) for name in names]
    if season is None:
        raise InputError("explain needs --storm, such as --storm MAWAR, or --season, such as --season 2022.")
    return [one for one in season_storms(season, best.agency, best=best) if len(hindcast.times_inside(one))]


def attention(
    model: Explained,
    storms: Sequence[Storm],
    best: BestTracks,
    *,
    source: str = RECONSTRUCTION,
    cases: int | None = None,
    progress: hindcast.Progress = hindcast.quiet,
) -> xr.Dataset:
    """Return the attention of the translator (layer, head, target, source): its mean and standard deviation over cases.

    A case is a forecast; of each storm there are all its init times, or `cases` spread over them. Attributes say which
    fields, weights and storms. Raises InputError for a network without attention between variables.
    """
    check_attends(model)
    net = model.net
    n, mean, square = 0, np.zeros(()), np.zeros(())
    kept = _Kept()
    for storm, fields, inits in _parts(storms, best, source, _hours(model), cases, progress):
        for init in inits:
            weights = attention_weights(net, model.past(fields, init))[:, 0].double().numpy()
            n, change = n + 1, weights - mean
            mean = mean + change / n
            square = square + change * (weights - mean)
        kept.add(storm, fields, inits)
    dims = ("layer", "head", "target", "source")
    coords = {
        "layer": np.arange(1, net.config.layers + 1),
        "head": np.arange(1, net.config.heads + 1),
        "target": list(model.tokens),
        "source": list(model.tokens),
    }
    values = {"attention": (dims, mean), "deviation": (dims, np.sqrt(square / n))}
    return xr.Dataset(values, coords, kept.said(model.name, model.sha256))


def similarity(
    model: Explained,
    storms: Sequence[Storm],
    best: BestTracks,
    *,
    source: str = RECONSTRUCTION,
    cases: int | None = None,
    progress: hindcast.Progress = hindcast.quiet,
) -> xr.Dataset:
    """Return linear CKA between the layers of each variable (variable, layer, other_layer), as `within`, and between
    the variables at each layer (layer, variable, other_variable), as `between`, over all cases and latent points.

    Cases and attributes as in `attention`.
    """
    names, tokens = layer_names(model.net), range(len(model.tokens))
    within = [(f"{t} {a}", f"{t} {b}") for t in tokens for a, b in combinations(names, 2)]
    between = [(f"{a} {name}", f"{b} {name}") for name in names for a, b in combinations(tokens, 2)]
    cka = LinearCka([*within, *between])
    kept = _Kept()
    for storm, fields, inits in _parts(storms, best, source, _hours(model), cases, progress):
        for init in inits:
            cka.add({f"{token} {name}": x for name, token, x in layers(model.net, model.past(fields, init))})
        kept.add(storm, fields, inits)

    def value(a: str, b: str) -> float:
        return 1.0 if a == b else cka.value(a, b)

    values = {
        "within": (
            ("variable", "layer", "other_layer"),
            [[[value(f"{t} {a}", f"{t} {b}") for b in names] for a in names] for t in tokens],
        ),
        "between": (
            ("layer", "variable", "other_variable"),
            [[[value(f"{a} {name}", f"{b} {name}") for b in tokens] for a in tokens] for name in names],
        ),
    }
    coords = {
        "variable": list(model.tokens),
        "other_variable": list(model.tokens),
        "layer": names,
        "other_layer": names,
    }
    return xr.Dataset(values, coords, {**kept.said(model.name, model.sha256), "examples": cka.n})


def errors(
    forecaster: Forecaster,
    storms: Sequence[Storm],
    best: BestTracks,
    lead_hours: Sequence[int],
    *,
    centred: bool = True,
    source: str = RECONSTRUCTION,
    cases: int | None = None,
    progress: hindcast.Progress = hindcast.quiet,
) -> xr.Dataset:
    """Return maps of the mean absolute error (forecaster, lead, variable, y, x) of a forecaster and of persistence.

    `centred`: about the storm's place at the valid time, y and x in degrees north and east of it; otherwise over the
    region, y and x latitude and longitude. A case is a forecast at whose valid time the best track has the storm in the
    region, the same for both; `count` (lead, y, x) are the cases that have the point, `mean` (forecaster, lead,
    variable) is over the points of all cases. Attributes as in `attention`, and the seasons seen in training.
    Raises InputError where a lead is out of reach or no case is left.
    """
    leads = sorted(set(lead_hours))
    check_leads(leads)
    methods = {one.name: one for one in (forecaster, Persistence())}
    maps = {(method, lead): MeanMap() for method in methods for lead in leads}
    kept = _Kept()
    span = (forecaster.frames_in, max(forecaster.horizon_hours, *leads))
    for storm, fields, inits in _parts(storms, best, source, span, cases, progress):
        places = _places(storm, fields)
        inits = pd.DatetimeIndex([one for one in inits if any(one + lead * HOUR in places for lead in leads)])
        runs = zip(*(one.hindcast(fields, inits, leads) for one in methods.values()), strict=True)
        for init, forecasts in zip(inits, runs, strict=True):
            for lead in (one for one in leads if init + one * HOUR in places):
                valid = init + lead * HOUR
                truth = _stacked(fields.sel(time=valid))
                for name, forecast in zip(methods, forecasts, strict=True):
                    error = np.abs(_stacked(forecast.isel(init_time=0).sel(lead_time=lead * HOUR)) - truth)
                    maps[name, lead].add(around(error, *places[valid], AROUND_STORM) if centred else error)
        kept.add(storm, fields, inits)
    empty = [lead for lead in leads if not maps[forecaster.name, lead].cases]
    if empty:
        raise InputError(f"no forecast of {empty[0]} h ends while its storm is in the region; choose other storms.")
    dims = ("forecaster", "lead", "variable", "y", "x")
    latitude, longitude = fields["latitude"].values, fields["longitude"].values
    if centred:
        offset = np.arange(-AROUND_STORM, AROUND_STORM + 1) * PAPER_REGION.step
        latitude, longitude = -offset, offset
    mean = np.asarray([[maps[name, lead].mean for lead in leads] for name in methods])
    own = [maps[forecaster.name, lead] for lead in leads]
    count = np.asarray([one.count for one in own])  # (lead, y, x)
    everywhere = np.nansum(mean * count[:, None], axis=(3, 4)) / count.sum(axis=(1, 2))[:, None]
    values = {
        "error": (dims, mean),
        "mean": (dims[:3], everywhere),
        "count": (("lead", "y", "x"), count),
        "cases": ("lead", [one.cases for one in own]),
    }
    coords = {"forecaster": list(methods), "lead": leads, "variable": list(CORE), "y": latitude, "x": longitude}
    digest = "" if forecaster.folder is None else str(read_config(forecaster.folder)["sha256"])
    seen = sorted({one.season for one in kept.storms} & set(forecaster.seasons_seen))
    said = {**kept.said(forecaster.name, digest), "centred": int(centred), "seasons_seen_in_training": seen}
    return xr.Dataset(values, coords, said)


class _Kept:
    """Which storms, fields and forecasts a result is of."""

    def __init__(self) -> None:
        self.storms: list[Storm] = []
        self._sources: list[str] = []
        self._cases = 0

    def add(self, storm: Storm, fields: xr.Dataset, inits: pd.DatetimeIndex) -> None:
        self.storms.append(storm)
        self._cases += len(inits)
        if fields.attrs["source"] not in self._sources:
            self._sources.append(fields.attrs["source"])

    def said(self, model: str, sha256: str) -> dict[str, object]:
        made_up = all(one.startswith(RECONSTRUCTION) for one in self._sources)
        several = f"{RECONSTRUCTION}: real motion and intensity, made-up weather"
        return {
            "fields": several if made_up and len(self._sources) > 1 else "; ".join(self._sources),
            "model": model,
            "weights_sha256": sha256,
            "forecasts": self._cases,
            "storms": ", ".join(f"{one.name or one.sid} {one.season}" for one in self.storms),
            "best_track": self.storms[0].source,
        }


def _parts(
    storms: Sequence[Storm],
    best: BestTracks,
    source: str,
    span: tuple[int, int],
    cases: int | None,
    progress: hindcast.Progress,
) -> Iterator[Case]:
    """Yield each storm with its fields and the init times taken; raise InputError where there is none at all."""
    if source == AUTO and len(storms) > 1:
        raise InputError("fields 'auto' could differ from storm to storm; choose reconstruction or era5.")
    found = 0
    before, after = span
    for done, storm in enumerate(storms, start=1):
        hours = hindcast.span_inside(storm, frames_in=before, horizon=after)
        choice = choose(source, hours, PAPER_REGION, fetch=f"typhoon-tracker fetch --storm {storm.sid}")
        fields = hindcast.storm_fields(storm, best, choice=choice, span=hours)
        first = fields.indexes["time"][0] + (before - 1) * HOUR
        inits = allowed_init_times(fields).intersection(hindcast.times_inside(storm))
        inits = inits[inits >= first]
        if cases is not None and len(inits) > cases:
            inits = inits[np.linspace(0, len(inits) - 1, cases).round().astype(int)]
        if len(inits):
            found += 1
            yield storm, fields, inits
        progress("storms", done, len(storms))
    if not found:
        raise InputError(f"no forecast of {', '.join(map(str, storms))} can start in the region {PAPER_REGION}.")


def _hours(model: Explained) -> tuple[int, int]:
    """The hours of fields needed before an init time, and after the storm."""
    frames = model.net.config.frames_in
    return int((frames - 1) * model.step / HOUR) + 1, 1


def _places(storm: Storm, fields: xr.Dataset) -> dict[pd.Timestamp, tuple[int, int]]:
    """Row and column of the grid point nearest to the storm's best track, at the times when it is inside the grid."""
    track = interpolate(storm.track, pd.DatetimeIndex(fields["time"].values))
    latitude, longitude = fields["latitude"].values, fields["longitude"].values
    step = latitude[0] - latitude[1]
    rows = np.rint((latitude[0] - track["lat"]) / step).astype(int)
    columns = np.rint(((track["lon"] - longitude[0]) % 360.0) / step).astype(int)
    inside = (rows >= 0) & (rows < len(latitude)) & (columns >= 0) & (columns < len(longitude))
    return {
        pd.Timestamp(time): (int(row), int(column))
        for time, row, column, ok in zip(track["time"], rows, columns, inside, strict=True)
        if ok
    }


def _stacked(frame: xr.Dataset) -> np.ndarray:
    return np.stack([frame[name].values for name in CORE]).astype(float)  # (N, H, W)
