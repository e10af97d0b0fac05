"""What the tests of the reconstruction share: two regions and a comparison to the last bit."""

from __future__ import annotations

import numpy as np
import pandas as pd

from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.geo.grid import Region

REGION = Region(north=32.0, south=10.0, west=118.0, east=140.0, step=1.0)
SMALL = Region(north=22.0, south=16.0, west=133.0, east=139.0, step=2.0)


def hours(start, stop):
    return pd.date_range(start, stop, freq="h")


def assert_same(a, b):
    for name in CORE:
        np.testing.assert_array_equal(a[name].values, b[name].values, err_msg=name)


def difference(a, b):
    return max(float(np.abs(a[name].values - b[name].values).max()) for name in ("u10", "v10"))
