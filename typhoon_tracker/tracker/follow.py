"""Follow one storm through successive frames, from its own analysed past."""

from __future__ import annotations

import math

import pandas as pd
import xarray as xr

from typhoon_tracker import track
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.sphere import extrapolate
from typhoon_tracker.tracker.centre import Fix, locate
from typhoon_tracker.tracker.compiled.sphere import separation
from typhoon_tracker.tracker.detect import find
from typhoon_tracker.tracker.frame import Frame, frames
from typhoon_tracker.tracker.settings import Settings, check_mass

ADVISORY_AGE = 6.0  # hours after which an advisory no longer says where a lost storm is
WINDOW_MARGIN = 600.0  # km beyond the search radius, so that a storm at its rim still shows its surroundings


def follow(
    fields: xr.Dataset,
    past: pd.DataFrame,
    *,
    settings: Settings | None = None,
    mass: str = "msl",
    reseed: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the fixes of one storm in `fields` as a track table; a frame where the storm is lost has no row.

    past: the storm's fixes known up to the first frame (track table; one row is enough, two or more give its motion).
    mass: the field whose minimum is the storm: "msl", "z500" (m), or "vorticity" for the wind alone.
    reseed: advisories (time, lat, lon), for analyses only: they bring back a storm given up and check its identity.

    The first guess is the extrapolated motion of the storm's own fixes, past and found; a frame never sees a later row.
    Raises InputError where `past` is empty, holds two storms, or reaches beyond the first frame.
    """
    follower = Follower(past, settings=settings, mass=mass, reseed=reseed)
    if len(fields["time"]):
        first, last = pd.Timestamp(fields["time"].to_numpy()[0]), past["time"].max()
        if last > first:
            raise InputError(
                f"the past of storm {follower.track_id} reaches {last}, beyond the first frame at {first}; "
                "the tracker may not see it, so drop the later fixes."
            )
    rows = [(frame.time, follower.step(frame)) for frame in frames(fields, mass=mass)]
    return tabulate(follower.track_id, [(time, fix) for time, fix in rows if fix is not None])


def tabulate(track_id: str, fixes: list[tuple[pd.Timestamp, Fix]]) -> pd.DataFrame:
    """Return fixes as a track table."""
    columns = {name: [getattr(fix, name) for _, fix in fixes] for name in track.NUMERIC}
    return track.create(track_id=[track_id] * len(fixes), time=[time for time, _ in fixes], **columns)


class Follower:
    """The state of one storm being followed: its recent fixes, from which the next first guess comes.

    Frames are given one by one, in time order; each may be on a grid of its own.
    """

    def __init__(
        self,
        past: pd.DataFrame,
        *,
        settings: Settings | None = None,
        mass: str = "msl",
        reseed: pd.DataFrame | None = None,
    ) -> None:
        known = past.dropna(subset=["lat", "lon"]).sort_values("time")
        if not len(known):
            raise InputError("the past of the storm is empty; at least one fix is needed to know where to look.")
        if len(storms := past["track_id"].unique()) > 1:
            names = ", ".join(map(str, storms[:3]))
            raise InputError(f"the past holds several storms ({names}); follow one at a time.")
        self.track_id = str(known["track_id"].iloc[0])
        self.settings = settings or Settings()
        self.mass = check_mass(mass)
        self.known = _positions(known)
        self.advisories = [] if reseed is None else _positions(reseed)

    def step(self, frame: Frame) -> Fix | None:
        """Return the storm's fix in a frame, or None where it is lost; a found fix joins the past."""
        now = hours(frame.time)
        advisory = self._advisory(now)
        if now - self.known[-1][0] > self.settings.patience:
            if advisory is None:
                return None
            self.known = [advisory]
        fix = self._search(frame, now)
        if fix is not None and advisory is not None and advisory[0] == now:
            drift = separation(fix.lat, fix.lon, advisory[1], advisory[2])
            if drift > self.settings.max_drift:
                self.known = [advisory]
                fix = self._search(frame, now)
        if fix is not None:
            self.known = [*(old for old in self.known if now - 48.0 <= old[0] < now), (now, fix.lat, fix.lon)]
        return fix

    def first_guess(self, now: float) -> tuple[float, float]:
        """Return where the storm would be at `now` (hours), had it kept its recent motion on a great circle."""
        time, lat, lon = self.known[-1]
        recent = [old for old in self.known[:-1] if time - old[0] <= self.settings.motion_hours]
        before = recent or self.known[-2:-1]
        if not before or now <= time:
            return lat, lon
        then, lat0, lon0 = before[0]
        span = time - then
        moved = separation(lat0, lon0, lat, lon)
        fastest = self.settings.max_speed * 3.6 * span
        fraction = (now - time) / span * min(1.0, fastest / moved if moved > 0 else 1.0)
        there = extrapolate(lat0, lon0, lat, lon, fraction)
        return float(there[0]), float(there[1])

    def _advisory(self, now: float) -> tuple[float, float, float] | None:
        known_by_now = [row for row in self.advisories if 0 <= now - row[0] <= ADVISORY_AGE]
        return max(known_by_now, default=None)

    def _search(self, frame: Frame, now: float) -> Fix | None:
        settings = self.settings
        time, lat, lon = self.known[-1]
        guess, radius = self.first_guess(now), settings.radius(now - time)
        near = frame.around(*guess, radius + WINDOW_MARGIN)
        if near is None:
            return None
        scale = 0.4 * radius

        def seek(mass: str) -> list[tuple[float, Fix]]:
            """Return the unlikelihood and the fix of the candidates within reach.

            The likelihood of a candidate is its vorticity times a Gaussian of its distance to the first guess: a storm
            ten times as strong must be nearer than the radius to be preferred to the one expected.
            """
            sought = []
            for candidate in find(near, settings, mass=mass, alone=True):
                away = separation(*guess, candidate.lat, candidate.lon)
                moved = separation(lat, lon, candidate.lat, candidate.lon)
                if away <= radius and moved <= settings.reach(now - time):
                    fix = locate(near, candidate.lat, candidate.lon, settings, mass=mass)
                    if fix is not None:
                        strength = candidate.vorticity if math.isfinite(candidate.vorticity) else candidate.depth
                        sought.append(((away / scale) ** 2 / 2 - math.log(strength), fix))
            return sought

        found = seek(self.mass)
        nearest = min((separation(*guess, fix.lat, fix.lon) for _, fix in found), default=math.inf)
        if nearest > scale and self.mass != "vorticity" and near.u10 is not None:
            # A weak or over-smoothed storm loses its closed low before its vorticity.
            for cost, fix in seek("vorticity"):
                if all(separation(fix.lat, fix.lon, low.lat, low.lon) > settings.max_separation for _, low in found):
                    found.append((cost, fix))
        if not found:
            return None
        _, best = min(found, key=lambda one: one[0])
        return best if frame.inside(best.lat, best.lon, settings.edge_margin) else None


def hours(time: object) -> float:
    """Return a time as hours since 1970."""
    return pd.Timestamp(time).value / 3.6e12  # type: ignore[arg-type]


def _positions(table: pd.DataFrame) -> list[tuple[float, float, float]]:
    """Return (hours, lat, lon) of the rows of a table, in time order."""
    return sorted(zip(map(hours, table["time"]), table["lat"].astype(float), table["lon"].astype(float), strict=True))
