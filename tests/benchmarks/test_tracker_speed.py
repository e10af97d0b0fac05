"""Time of the tracker a frame: pytest tests/benchmarks/test_tracker_speed.py --benchmark-enable."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.tracker.vortex import Vortex, fields, straight
from typhoon_tracker.geo.grid import PAPER_REGION, Region
from typhoon_tracker.tracker.follow import Follower
from typhoon_tracker.tracker.link import find_storms
from typhoon_tracker.tracker.window import frames

TIMES = pd.date_range("2023-05-25", periods=24, freq="1h")


@pytest.mark.parametrize("region", [PAPER_REGION, Region(60.0, -60.0, 0.0, 359.75)], ids=["128x128", "481x1440"])
def test_follow_a_frame(benchmark, region):
    vortex = Vortex()
    truth = straight(TIMES[:2], 22.0, 128.0, vortex)
    first, second = frames(fields([(vortex, truth)], TIMES[:2], region=region))

    def step():
        follower = Follower(truth.iloc[:1])
        return follower.step(first), follower.step(second)

    assert all(fix is not None for fix in benchmark(step))


def test_follow_a_day_of_hourly_frames(benchmark):
    vortex = Vortex()
    truth = straight(TIMES, 22.0, 128.0, vortex)
    day = list(frames(fields([(vortex, truth)], TIMES)))

    def follow_all():
        follower = Follower(truth.iloc[:1])
        return [follower.step(frame) for frame in day]

    assert all(fix is not None for fix in benchmark(follow_all))


def test_find_all_storms_of_a_day(benchmark):
    vortex = Vortex()
    data = fields([(vortex, straight(TIMES, 22.0, 128.0, vortex))], TIMES)
    assert set(benchmark(find_storms, data).track_id) == {"S001"}
