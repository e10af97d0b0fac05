"""Error cones: how far from a forecast fix the storm will be, learned from the errors of another season.

The radius of level p at a lead is the ceil((n + 1) p)-th smallest of the n track errors there, the quantile with the
finite-sample correction of split conformal prediction (Vovk et al. 2005; Lei et al. 2018): a further error lies inside
with a probability of at least p, if it is exchangeable with those. Errors within a storm are alike, so a season tells
less than its number of cases suggests; what the cone holds on another season, `coverage` says with an interval over
storms. Radii never shrink with lead.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path

import numpy as np
import pandas as pd

from typhoon_tracker.errors import InputError
from typhoon_tracker.track_files import replacing
from typhoon_tracker.verify.statistics import mean_interval

LEVELS = (0.67, 0.90)
FILE, WEIGHTS = "cone.json", "weights.safetensors"
MODEL = "model"


@dataclass(frozen=True)
class Cone:
    """Radii (km) within which the storm lies at each lead with the probability of each level, and what they rest on."""

    lead_hours: tuple[float, ...]
    levels: tuple[float, ...]
    radii_km: tuple[tuple[float, ...], ...]  # a row a level, a column a lead
    n: tuple[int, ...]  # errors at each lead
    storms: tuple[int, ...]
    lost: tuple[int, ...]  # forecasts that lost the storm: they have no fix, and no cone
    season: int | None = None
    agency: str = ""
    fields: str = ""
    model: str = ""
    weights_sha256: str = ""  # "" for a model without weights

    @classmethod
    def fit(
        cls,
        errors: pd.DataFrame,
        *,
        levels: Sequence[float] = LEVELS,
        method: str = MODEL,
        season: int | None = None,
        agency: str = "",
        fields: str = "",
        model: str = "",
        weights_sha256: str = "",
    ) -> Cone:
        """Fit to the track errors of one method (from `errors.score`, leads and storms one below another).

        Raises InputError where a level is not between 0 and 1, the method has no row, or a lead has fewer errors than
        its highest level needs: n (1 - p) >= p, that is 9 for 90 %.
        """
        levels = tuple(sorted(levels))
        if not levels or not 0 < levels[0] <= levels[-1] < 1:
            raise InputError(f"the levels of a cone lie between 0 and 1; got {', '.join(f'{p:g}' for p in levels)}.")
        own = errors[(errors["method"] == method) & errors["truth_lat"].notna()]
        if own.empty:
            methods = ", ".join(dict.fromkeys(errors["method"])) or "none"
            raise InputError(f"there are no errors of {method!r} to fit a cone to; the table holds: {methods}.")
        hours, radii, counts, storms, lost = [], [], [], [], []
        for lead, rows in own.groupby(own["lead_time"].dt.total_seconds() / 3600, sort=True):
            found = rows.dropna(subset=["error_km"])
            hours.append(float(lead))
            radii.append([_quantile(found["error_km"].to_numpy(float), p, hours[-1]) for p in levels])
            counts.append(len(found))
            storms.append(int(found["track_id"].nunique()))
            lost.append(len(rows) - len(found))
        grown = np.maximum.accumulate(np.array(radii), axis=0).T  # (levels, leads)
        rows_of = tuple(tuple(float(km) for km in row) for row in grown)
        about = (season, agency, fields, model, weights_sha256)
        return cls(tuple(hours), levels, rows_of, tuple(counts), tuple(storms), tuple(lost), *about)

    def radius(self, lead_hours: float, level: float) -> float:
        """Return the radius in km at a lead, linear between fitted leads; NaN beyond them.

        Raises InputError for a level that was not fitted.
        """
        if level not in self.levels:
            known = ", ".join(f"{p:g}" for p in self.levels)
            raise InputError(f"the cone has no level {level:g}; it was fitted for {known}.")
        row = self.radii_km[self.levels.index(level)]
        return float(np.interp(lead_hours, self.lead_hours, row, left=np.nan, right=np.nan))

    def with_radii(self, fixes: pd.DataFrame) -> pd.DataFrame:
        """Return forecast fixes with a column of radii (km) a level, such as cone_67_km; NaN outside the leads."""
        hours = fixes["lead_time"].dt.total_seconds() / 3600
        names = {f"cone_{100 * p:.0f}_km": [self.radius(h, p) for h in hours] for p in self.levels}
        return fixes.assign(**names)

    def probabilities(self, fixes: pd.DataFrame) -> pd.DataFrame:
        """Return forecast fixes once a level with `probability` (0 to 1) and `radius` (km), as e-decks hold them."""
        parts = [self.with_radii(fixes).assign(probability=p) for p in self.levels]
        parts = [part.assign(radius=part[f"cone_{100 * p:.0f}_km"]) for part, p in zip(parts, self.levels, strict=True)]
        known = pd.concat(parts).dropna(subset=["lat", "lon", "radius"])
        named = known.drop(columns=[name for name in known if str(name).startswith("cone_")])
        return named.sort_values(["init_time", "lead_time", "probability"], ignore_index=True)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the cone as JSON, radii rounded to 0.1 km, and return the path."""
        facts = asdict(self) | {"radii_km": [[round(km, 1) for km in row] for row in self.radii_km]}
        path = Path(path)
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(facts, indent=1) + "\n")
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, weights: str | os.PathLike[str] | None = None) -> Cone:
        """Return the cone in a file written by `save`.

        With `weights`, the model's weights file, raises InputError unless the cone was fitted to just these weights;
        always where the file is missing or no cone.
        """
        try:
            facts = json.loads(Path(path).read_text())
            names = ("lead_hours", "levels", "n", "storms", "lost")
            facts |= {name: tuple(facts[name]) for name in names}
            cone = cls(**facts | {"radii_km": tuple(tuple(row) for row in facts["radii_km"])})
            shape = {len(row) for row in cone.radii_km} | {len(cone.lead_hours)}
            if len(shape) != 1 or len(cone.radii_km) != len(cone.levels):
                raise ValueError("its radii do not fit its leads and levels")
        except OSError as error:
            raise InputError(f"the cone {path} cannot be read: {error.strerror}.") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"{path} holds no error cone: {error}; fit one with typhoon-tracker cone.") from error
        if weights is not None and (digest := checksum(weights)) != cone.weights_sha256:
            fitted = cone.weights_sha256[:12] + "..." if cone.weights_sha256 else "no weights"
            raise InputError(
                f"the cone {path} was fitted to other weights (sha256 {fitted}, the model has {digest[:12]}...); "
                "fit it again with typhoon-tracker cone."
            )
        return cone


def of_model(folder: Path) -> Cone | None:
    """Return the cone in a model's folder, None where there is none; InputError where it is of other weights."""
    path = folder / FILE
    return Cone.load(path, weights=folder / WEIGHTS) if path.exists() else None


def coverage(
    cone: Cone, errors: pd.DataFrame, *, method: str = MODEL, draws: int = 10_000, seed: int = 0
) -> pd.DataFrame:
    """Return how much of another season's truth lay inside the cone, per lead and level and over all leads.

    Columns: lead_time (NaT for all), level, radius_km, n, storms, inside (share), low, high (storm-clustered 95 %
    interval). Forecasts that lost the storm have no cone and do not count. Raises InputError where no error is at a
    lead of the cone.
    """
    own = errors[errors["method"] == method].dropna(subset=["error_km"])
    hours = own["lead_time"].dt.total_seconds() / 3600
    own = own[hours.isin(cone.lead_hours)]
    if own.empty:
        raise InputError(
            f"no error of {method!r} is at a lead of the cone, which has {min(cone.lead_hours):g} to "
            f"{max(cone.lead_hours):g} h; score those leads."
        )
    rows = []
    groups = [*own.groupby("lead_time", sort=True), (pd.NaT, own)]
    for lead, part in groups:
        at = part["lead_time"].dt.total_seconds() / 3600
        for level in cone.levels:
            radii = np.array([cone.radius(h, level) for h in at])
            inside = (part["error_km"].to_numpy(float) <= radii).astype(float)
            low, high = mean_interval(inside, part["track_id"], draws=draws, seed=seed)
            radius = np.nan if lead is pd.NaT else radii[0]
            count = {"n": len(part), "storms": int(part["track_id"].nunique())}
            share = {"inside": inside.mean(), "low": low, "high": high}
            rows.append({"lead_time": lead, "level": level, "radius_km": radius, **count, **share})
    return pd.DataFrame(rows)


def checksum(path: str | os.PathLike[str]) -> str:
    """Return the sha256 of a file; raise InputError where it cannot be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"the weights {path} cannot be read: {error.strerror}.") from error


def _quantile(values: np.ndarray, level: float, hours: float) -> float:
    n = len(values)
    rank = ceil((n + 1) * level - 1e-9)  # 10 x 0.9 must not become 9.000000000000002
    if rank > n:
        needed = ceil(level / (1 - level) - 1e-9)
        raise InputError(
            f"{n} errors at {hours:g} h are too few for a {100 * level:g} % radius, which needs {needed}; "
            "fit to more storms, shorter leads or a lower level."
        )
    return float(np.sort(values)[rank - 1])
