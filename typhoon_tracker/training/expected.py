"""Where a storm is to be expected, as a target to learn from: the truth less what nobody could have known.

Where a storm goes in 6 hours differs by some 30 km from what its past lets expect. To a network that sees each case
once or twice that is noise in the target, ten times the variance of what is to be learned. The regression on
climatology and persistence, fitted to the training seasons, is the truth with that noise averaged out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from typhoon_tracker.verify.cliper import Cliper
from typhoon_tracker.verify.past import Past


class Expected:
    """Positions expected at `leads` (hours) after every original fix of a best-track table.

    The regressions are fitted to its seasons up to `last_season`.
    """

    def __init__(self, best: pd.DataFrame, leads: Sequence[float], *, last_season: int) -> None:
        past = Past.of(best)
        fixes = np.arange(len(past.hours))
        regressions = Cliper.fit_all(best, leads=[pd.Timedelta(hours=lead) for lead in leads], last_season=last_season)
        positions = [np.stack(regression.positions(past, past.hours, fixes), axis=-1) for regression in regressions]
        self._positions = np.stack(positions, axis=1)  # (N, L, 2): lat, lon
        original = best[best["original"].astype(bool)]
        sids = original["track_id"].unique()  # in the order in which `Past` counts them
        self._fix = {(sids[s], h): i for i, (s, h) in enumerate(zip(past.storm, past.hours, strict=True))}

    def at(self, sid: str, hour: float) -> np.ndarray:
        """Return latitudes and longitudes (L, 2) expected of a storm's fix at `hour` (since 1970), NaN without one."""
        fix = self._fix.get((sid, hour))
        return np.full(self._positions.shape[1:], np.nan) if fix is None else self._positions[fix]
