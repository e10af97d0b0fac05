"""Where a storm was between two fixes, without looking beyond the second."""

from __future__ import annotations

import numpy as np
import pandas as pd

from typhoon_tracker import track as tracks
from typhoon_tracker.errors import InputError

LONGEST_GAP_H = 12.0


def interpolate(track: pd.DataFrame, times: pd.DatetimeIndex) -> pd.DataFrame:
    """Return the track of one storm at `times`: cubic Hermite between fixes, intensity linear.

    With fixes x_k at t_k (degrees, longitude unwrapped), v_k = (x_k - x_{k-1}) / (t_k - t_{k-1}), v_0 = v_1,
    h = t_{k+1} - t_k and s = (t - t_k) / h:

        x(t) = (2s^3 - 3s^2 + 1) x_k + (s^3 - 2s^2 + s) h v_k + (3s^2 - 2s^3) x_{k+1} + (s^3 - s^2) h v_{k+1}

    The tangents look backward, so nothing up to t_k depends on a fix after k, and nothing up to t_{k+1} on one after
    k + 1. Rows marked `original` False are no fixes: they were themselves interpolated from later ones. Times before
    the first fix, after the last, or between fixes more than 12 h apart are absent. Adds the column `interpolated`.
    Raises InputError for more than one storm, or where there is no fix.
    """
    if "original" in track:
        track = track[track["original"].astype(bool)]
    storms = track["track_id"].unique()
    if len(storms) != 1:
        raise InputError(f"motion is interpolated one storm at a time; the table has fixes of {len(storms)} storms.")
    track = track.sort_values("time")
    when = pd.DatetimeIndex(times).as_unit("ns").unique()
    start = track["time"].iloc[0]
    fixed = _hours(pd.DatetimeIndex(track["time"]), start)  # (K,)
    wanted = _hours(when, start)  # (N,)

    left = np.clip(np.searchsorted(fixed, wanted, side="right") - 1, 0, len(fixed) - 1)
    exact = (fixed[left] == wanted) & (wanted >= 0)
    right = np.minimum(left + 1, len(fixed) - 1)
    step = fixed[right] - fixed[left]
    inside = (wanted >= 0) & (wanted <= fixed[-1]) & (step <= LONGEST_GAP_H)
    keep = exact | inside
    left, right, exact, wanted = left[keep], right[keep], exact[keep], wanted[keep]
    right = np.where(exact, left, right)
    step = fixed[right] - fixed[left]
    share = np.divide(wanted - fixed[left], step, out=np.zeros_like(wanted), where=~exact)  # s in [0, 1)

    position = np.stack([track["lat"].to_numpy(), np.unwrap(track["lon"].to_numpy(), period=360.0)])  # (2, K)
    velocity = _backward_velocity(position, fixed)
    x = _hermite(position[:, left], position[:, right], step * velocity[:, left], step * velocity[:, right], share)
    return tracks.create(
        track_id=np.full(len(wanted), storms[0]),
        time=when[keep],
        lat=x[0],
        lon=x[1],
        msl=_linear(track["msl"].to_numpy(), left, right, share),
        wind=_linear(track["wind"].to_numpy(), left, right, share),
        interpolated=~exact,
    )


def _hours(times: pd.DatetimeIndex, start: pd.Timestamp) -> np.ndarray:
    return np.asarray((times - start) / pd.Timedelta(hours=1), float)


def _backward_velocity(position: np.ndarray, hours: np.ndarray) -> np.ndarray:
    """Return degrees per hour arriving at each fix; at the first, leaving it."""
    if len(hours) == 1:
        return np.zeros_like(position)
    arriving = np.diff(position, axis=1) / np.diff(hours)
    return np.concatenate([arriving[:, :1], arriving], axis=1)


def _hermite(x0: np.ndarray, x1: np.ndarray, m0: np.ndarray, m1: np.ndarray, s: np.ndarray) -> np.ndarray:
    along = s * s * (3.0 - 2.0 * s)
    return x0 + along * (x1 - x0) + s * (1.0 - s) ** 2 * m0 - s * s * (1.0 - s) * m1


def _linear(values: np.ndarray, left: np.ndarray, right: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Interpolate linearly; unknown where either end is, but a known value stays known at its own fix."""
    return np.where(share == 0.0, values[left], (1.0 - share) * values[left] + share * values[right])
