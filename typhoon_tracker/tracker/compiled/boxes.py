"""The mean over a box of cells, from running sums that rows enter one by one."""

from __future__ import annotations

from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.sphere import Floats


@compiled
def enter(line: Floats, wide: int, cyclic: bool, room: Floats, held: Floats, total: Floats) -> None:
    """Add a row's means over `wide` cells on either side to a total of rows, and take off those held of another.

    A row that is not cyclic has fewer cells at its ends. `room` to work in holds four rows.
    """
    columns, span = len(line), 2 * wide + 1
    padded, sums = room[columns:], room[:columns]
    west, middle, east = padded[:wide], padded[wide : wide + columns], padded[wide + columns : columns + span]
    for j in range(columns):
        middle[j] = line[j]
    west[:], east[:] = 0.0, 0.0
    if cyclic:
        west[:], east[:wide] = line[columns - wide :], line[:wide]
    # In four stretches at once: a sum waits for the one before it, but not for those of other stretches.
    n = columns // 4
    out0, out1, out2, out3 = padded, padded[n:], padded[2 * n :], padded[3 * n :]
    in0, in1, in2, in3 = padded[span:], padded[n + span :], padded[2 * n + span :], padded[3 * n + span :]
    sums0, sums1, sums2, sums3 = sums, sums[n:], sums[2 * n :], sums[3 * n :]
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for k in range(span):
        a += out0[k]
        b += out1[k]
        c += out2[k]
        d += out3[k]
    for k in range(n):
        sums0[k], sums1[k], sums2[k], sums3[k] = a, b, c, d
        a += in0[k] - out0[k]
        b += in1[k] - out1[k]
        c += in2[k] - out2[k]
        d += in3[k] - out3[k]
    for k in range(n, len(sums3)):
        sums3[k] = d
        d += in3[k] - out3[k]
    share = 1.0 / span
    if not cyclic:
        for k in range(min(wide, (columns + 1) // 2)):
            fewer, opposite = span / (min(k + wide, columns - 1) + 1), columns - 1 - k
            sums[k] *= fewer
            if opposite > k:
                sums[opposite] *= fewer
    for j in range(columns):
        mean = sums[j] * share
        total[j] += mean - held[j]
        held[j] = mean


@compiled
def leave(held: Floats, total: Floats) -> None:
    """Take off a total of rows those that are held of one."""
    for j in range(len(total)):
        total[j] -= held[j]
        held[j] = 0.0
