"""The figures of a forecaster explained: attention between variables, similarity of layers, maps of its errors."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from typhoon_tracker.explain.summaries import UNITS, provenance
from typhoon_tracker.plot.style import COAST, FORECAST, GRID, INK, QUIET
from typhoon_tracker.track_files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI, LINE, LETTERS_AN_INCH = 120, 0.13, 17
HEAT, ERROR_HEAT = "cividis", "magma_r"  # both monotone in grey and safe for the colour-blind
ENOUGH = 0.5  # share of the cases that a point of an error map must have
PAIR_COLOURS = ("#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c")  # Okabe and Ito


def draw_attention(result: xr.Dataset) -> Figure:
    """Return the figure of `explanation.attention`: its mean over layers and heads, and every head of every layer."""
    weights = result["attention"]
    layers, heads = weights.sizes["layer"], weights.sizes["head"]
    names = [str(name) for name in result["target"].values]
    cell = 0.62
    height = max(4.7, 1.5 + cell * layers)
    figure, top, _ = _figure(5.9 + cell * heads, height, "Attention between variables", result)
    width = figure.get_figwidth()
    side = 3.1
    axes = figure.add_axes((0.75 / width, (top - 0.35 - side) / height, side / width, side / height))
    _heat(axes, weights.mean(("layer", "head")).values, names, names, digits=2, low=0.0, high=1.0)
    axes.set_title("mean over layers and heads", fontsize=9, color=QUIET)
    axes.set_xlabel("attended to (source)", fontsize=9)
    axes.set_ylabel("updated (target)", fontsize=9)
    left, gap = 0.75 + side + 1.0, 0.08
    for i in range(layers):
        for j in range(heads):
            at = ((left + j * cell) / width, (top - 0.35 - (i + 1) * cell) / height)
            small = figure.add_axes((*at, (cell - gap) / width, (cell - gap) / height))
            small.imshow(weights.values[i, j], cmap=HEAT, vmin=0.0, vmax=1.0)
            small.set_xticks([])
            small.set_yticks([])
            if j == 0:
                small.set_ylabel(f"layer {i + 1}", fontsize=8)
            if i == 0:
                small.set_title(f"head {j + 1}" if heads <= 8 else f"{j + 1}", fontsize=7.5)
    at = ((left + heads * cell + 0.1) / width, (top - 0.35 - side) / height)
    bar = figure.add_axes((*at, 0.12 / width, side / height))
    _colour_bar(figure, bar, axes.images[0], "weight, rows sum to 1")
    return figure


def draw_similarity(result: xr.Dataset) -> Figure:
    """Return the figure of `explanation.similarity`: variables against one another by layer, layers by variable."""
    between, within = result["between"], result["within"]
    names, layers = ([str(one) for one in result[name].values] for name in ("variable", "layer"))
    side, height = 2.75, 7.4
    width = max(10.0, 1.3 + (side + 0.35) * len(names))
    figure, top, _ = _figure(width, height, "Similarity of layers: linear CKA", result)
    curve = figure.add_axes((0.75 / width, (top - 2.45) / height, (width - 3.1) / width, 2.1 / height))
    x = np.arange(len(layers))
    pairs = [(i, j) for i in range(len(names)) for j in range(i + 1, len(names))]
    for k, (i, j) in enumerate(pairs):
        look: dict[str, Any] = {"color": PAIR_COLOURS[k % len(PAIR_COLOURS)], "ls": "-" if k < 6 else "--"}
        curve.plot(x, between.values[:, i, j], lw=1.1, marker="o", ms=3, label=f"{names[i]} and {names[j]}", **look)
    if pairs:
        mean = np.mean([between.values[:, i, j] for i, j in pairs], axis=0)
        curve.plot(x, mean, color=INK, lw=2.2, label="mean of the pairs")
        curve.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), fontsize=8, frameon=False)
    curve.set_xticks(x, layers, fontsize=8)
    curve.set_ylim(0, 1)
    curve.grid(color=GRID, lw=0.5)
    curve.spines[["top", "right"]].set_visible(False)
    curve.set_ylabel("CKA", fontsize=9)
    curve.set_title(
        "one variable against another at the same layer (E encoder, T translator, D decoder)", fontsize=9, color=QUIET
    )
    for k, name in enumerate(names):
        at = ((0.75 + k * (side + 0.35)) / width, (top - 3.25 - side) / height)
        axes = figure.add_axes((*at, side / width, side / height))
        _heat(axes, within.sel(variable=name).values, layers, layers if k == 0 else [], low=0.0, high=1.0)
        axes.set_title(f"{name}: layer against layer", fontsize=9, color=QUIET)
    at = ((0.55 + len(names) * (side + 0.35)) / width, (top - 3.25 - side) / height)
    bar = figure.add_axes((*at, 0.12 / width, side / height))
    _colour_bar(figure, bar, axes.images[0], "")
    return figure


def draw_errors(result: xr.Dataset) -> Figure:
    """Return the figure of `explanation.errors`: a map a variable and lead, over it the mean and that of persistence.

    Points that too few of the cases have are left blank.
    """
    model, other = (str(one) for one in (result.attrs["model"], "persistence"))
    centred = bool(result.attrs["centred"])
    shown = result["error"].sel(forecaster=model).where(result["count"] >= ENOUGH * result["cases"])
    variables, leads = result["variable"].values, result["lead"].values
    x, y = result["x"].values, result["y"].values
    side = 2.3
    width, height = 1.6 + (side + 0.15) * len(leads), 1.55 + (side + 0.3) * len(variables)
    where = "around the storm" if centred else "over the region"
    figure, top, bottom = _figure(width, height, f"Mean absolute error {where}, by lead", result)
    for row, name in enumerate(variables):
        unit, factor = UNITS.get(str(name), ("", 1.0))
        high = factor * float(shown.sel(variable=name).max())
        base = top - 0.35 - (row + 1) * side - row * 0.3
        for column, lead in enumerate(leads):
            here = factor * shown.sel(variable=name, lead=lead)
            at = ((0.7 + column * (side + 0.15)) / width, base / height)
            axes = figure.add_axes((*at, side / width, side / height))
            image = axes.pcolormesh(x, y, here.values, cmap=ERROR_HEAT, vmin=0.0, vmax=high)
            _ground(axes, x, y, centred)
            mean = factor * result["mean"].sel(variable=name, lead=lead)
            said = f"{name}, {lead} h: {float(mean.sel(forecaster=model)):.2g} {unit}"
            if model != other:
                said += f" ({other} {float(mean.sel(forecaster=other)):.2g})"
            axes.set_title(said, fontsize=7.5, color=INK, pad=3)
            axes.tick_params(labelsize=7, labelleft=column == 0, labelbottom=row == len(variables) - 1)
        bar = figure.add_axes(((0.8 + len(leads) * (side + 0.15)) / width, base / height, 0.12 / width, side / height))
        _colour_bar(figure, bar, image, unit)
    figure.text(0.7 / width, (bottom + 0.1) / height, _axes_in_words(centred), size=8, color=QUIET)
    return figure


def save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a figure as PNG, whole or not at all; return the path. Raises InputError where it cannot be written."""
    path = Path(path)
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI)
    return path


def _axes_in_words(centred: bool) -> str:
    return "degrees east and north of the storm at the valid time" if centred else "longitude and latitude, degrees"


def _ground(axes: Axes, x: np.ndarray, y: np.ndarray, centred: bool) -> None:
    if centred:
        axes.plot(0, 0, "+", color=FORECAST, ms=7, mew=1.2)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(range(-8, 9, 4))
        return
    import shapely

    from typhoon_tracker.geo.land import coastline

    land = shapely.clip_by_rect(coastline(), x.min(), y.min(), x.max(), y.max())
    for line in shapely.get_parts(shapely.boundary(land)):
        axes.plot(*shapely.get_coordinates(line).T, color=COAST, lw=0.5)
    axes.set_xlim(x.min(), x.max())
    axes.set_ylim(y.min(), y.max())


def _heat(
    axes: Axes, values: np.ndarray, columns: list[str], rows: list[str], *, low: float, high: float, digits: int = 0
) -> None:
    axes.imshow(values, cmap=HEAT, vmin=low, vmax=high)
    axes.set_xticks(range(len(columns)), columns, fontsize=8, rotation=90 if len(columns) > 8 else 0)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if digits:
        for (i, j), value in np.ndenumerate(values):
            dark = value < (low + high) / 2
            axes.text(j, i, f"{value:.{digits}f}", ha="center", va="center", fontsize=9, color="white" if dark else INK)


def _colour_bar(figure: Figure, axes: Axes, image: Any, label: str) -> None:
    figure.colorbar(image, cax=axes)
    axes.tick_params(labelsize=7)
    axes.set_ylabel(label, fontsize=8)


def _figure(width: float, height: float, title: str, result: xr.Dataset) -> tuple[Figure, float, float]:
    """Return an empty figure with its heading and provenance, and the inches between which it is free."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    said = "; ".join(" ".join(line.split()) for line in provenance(result))
    lines = textwrap.wrap(said, int(LETTERS_AN_INCH * width))
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)  # a canvas of its own: pyplot's state and a notebook's backend stay as they are
    figure.text(0.15 / width, 1 - 0.3 / height, title, size=12, weight="bold", color=INK, va="baseline")
    figure.text(0.15 / width, 0.08 / height, "\n".join(lines), size=7, color=QUIET, va="bottom")
    return figure, height - 0.45, 0.15 + LINE * len(lines)
