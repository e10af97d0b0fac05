"""The vorticity of cells, worked out in tiles where it is asked for: storms take up little of a map."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.cells import MAX_PASSES, Layout, anticyclonic_vorticity, block_means, smooth
from typhoon_tracker.tracker.compiled.sphere import DEGREE, RADIUS, Axes, Field, Floats

Boxes = NDArray[np.int64]  # rows of: row from and to, column from and to
Mask = NDArray[np.bool_]

MARGIN = MAX_PASSES + 1  # cells about a tile on which its vorticity, smoothed, depends


@compiled
def below(field: Floats, columns: tuple[int, int], limit: float, tile: int, enough: int) -> Boxes:
    """Return the boxes, one a tile at most, that hold the cells between two columns where a field is below a limit.

    Where more than `enough` tiles hold such cells, the boxes are those of the first tiles and one more than enough.
    """
    rows, width = field.shape
    boxes, count = np.empty((enough + 1, 4), np.int64), 0
    for top in range(0, rows, tile):
        for left in range(max(columns[0] // tile * tile, 0), min(columns[1], width), tile):
            north, south, west, east = rows, -1, width, -1
            for i in range(top, min(top + tile, rows)):
                line = field[i, max(left, columns[0]) : min(left + tile, columns[1])]
                for k in range(len(line)):
                    if line[k] < limit:
                        j = max(left, columns[0]) + k
                        north, south, west, east = min(north, i), i, min(west, j), max(east, j)
            if south >= 0:
                boxes[count, 0], boxes[count, 1], boxes[count, 2], boxes[count, 3] = north, south + 1, west, east + 1
                count += 1
                if count > enough:
                    return boxes
    return boxes[:count]


@compiled
def missing(boxes: Boxes, axes: Axes, radius: float, tiles: Mask, tile: int, shape: tuple[int, int]) -> Boxes:
    """Return the rows of tiles not marked yet that hold the cells within `radius` km of some boxes, and mark them.

    Two cells beside a box count as near whatever the radius.
    """
    found, count = np.empty((tiles.size, 4), np.int64), 0
    for k in range(len(boxes)):
        high = max(math.ceil(radius / (abs(axes[1]) * DEGREE * RADIUS)), 2)
        north, south = axes[0] + (boxes[k, 0] - high) * axes[1], axes[0] + (boxes[k, 1] - 1 + high) * axes[1]
        narrowest = max(math.cos(min(max(abs(north), abs(south)), 90.0) * DEGREE), 0.05)
        wide = max(math.ceil(radius / (axes[3] * DEGREE * RADIUS * narrowest)), 2)
        first, last = max(boxes[k, 2] - wide, 0) // tile, (min(boxes[k, 3] + wide, shape[1]) - 1) // tile
        for p in range(max(boxes[k, 0] - high, 0) // tile, (min(boxes[k, 1] + high, shape[0]) - 1) // tile + 1):
            begin = first
            for q in range(first, last + 2):
                if q <= last and not tiles[p, q]:
                    tiles[p, q] = True
                    continue
                if q > begin:
                    found[count, 0], found[count, 1] = p * tile, min((p + 1) * tile, shape[0])
                    found[count, 2], found[count, 3] = begin * tile, min(q * tile, shape[1])
                    count += 1
                begin = q + 1
    return found[:count]


@compiled
def work_out(
    u: Field,
    v: Field,
    axes: Axes,
    layout: Layout,
    scale: float,
    boxes: Boxes,
    fill: Floats,
    turning: Floats,
    void: Mask,
    room: Floats,
) -> bool:
    """Set the vorticity, smoothed over `scale` km and negative in cyclones, in some boxes of cells.

    Cells that lack a value of u or v get those of `fill` and are noted in `void`; False where `fill` is NaN then.
    `room` to work in is five times that of all cells.
    """
    rows, width = turning.shape
    for k in range(len(boxes)):
        i0, i1 = max(boxes[k, 0] - MARGIN, 0), min(boxes[k, 1] + MARGIN, rows)
        j0, j1 = max(boxes[k, 2] - MARGIN, 0), min(boxes[k, 3] + MARGIN, width)
        high, wide = i1 - i0, j1 - j0
        work = room[: 5 * high * wide].reshape((5, high, wide))
        for component in range(2):
            field, mean = v if component else u, work[component]
            block_means(field, layout.size, layout.top + i0 * layout.size, (j0 - layout.pad) * layout.size, mean)
            total = np.zeros(wide)
            for i in range(high):
                line = mean[i]
                for j in range(wide):
                    total[j] += line[j]
            if math.isfinite(total.sum()):
                continue
            if math.isnan(fill[component]):
                return False
            for i in range(high):
                for j in range(wide):
                    if not math.isfinite(mean[i, j]):
                        mean[i, j], void[i0 + i, j0 + j] = fill[component], True
        part = (axes[0] + i0 * axes[1], axes[1], axes[2] + j0 * axes[3], axes[3])
        anticyclonic_vorticity(work[0], work[1], part, work[2])
        smooth(work[2], part, scale, layout.size, work[3], work[4])
        for i in range(boxes[k, 0], boxes[k, 1]):
            line, there = work[4, i - i0, boxes[k, 2] - j0 :], turning[i, boxes[k, 2] : boxes[k, 3]]
            for j in range(len(there)):
                there[j] = line[j]
    return True
