"""A trained Met2Net by the names of its variables, fed from fields."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from typhoon_tracker.errors import InputError
from typhoon_tracker.forecast.checkpoint import load
from typhoon_tracker.forecast.model import FieldModel
from typhoon_tracker.nets.met2net import Met2Net


@dataclass(frozen=True, eq=False)
class Explained:
    """A trained Met2Net, its channels, and its tokens: the variables as the translator sees them.

    A token is named by its channels, such as u10+v10 where they share an encoder.
    """

    name: str
    model: FieldModel
    net: Met2Net
    channels: tuple[str, ...]
    tokens: tuple[str, ...]
    step: pd.Timedelta
    sha256: str

    def past(self, fields: xr.Dataset, init: pd.Timestamp) -> Tensor:
        """Return the normalised frames (1, T, N, H, W) from which the network forecasts at `init`.

        Raises InputError where the fields lack a variable or a frame, or their grid does not fit the network.
        """
        missing = [name for name in self.channels if name not in fields]
        if missing:
            held = ", ".join(map(str, fields.data_vars))
            raise InputError(f"{self.name} needs {', '.join(missing)} besides what the fields hold: {held}.")
        times = pd.date_range(end=init, periods=self.net.config.frames_in, freq=self.step)
        if not times.isin(fields.indexes["time"]).all():
            raise InputError(f"the fields lack frames between {times[0]:%Y-%m-%d %H}Z and {init:%Y-%m-%d %H}Z.")
        stride, (height, width) = self.net.config.stride, (fields.sizes["latitude"], fields.sizes["longitude"])
        if height % stride or width % stride:
            raise InputError(
                f"the grid of {height} x {width} points does not fit {self.name}: both must be multiples of {stride}."
            )
        frames = fields[list(self.channels)].sel(time=times).to_array().transpose("time", "variable", ...)
        return self.model.normalise(torch.from_numpy(frames.values.astype("float32")))[None]


def explained(folder: Path) -> Explained:
    """Return the Met2Net of a model folder; raise InputError where the folder holds another network."""
    model, config = load(folder)
    net = model.net
    if not isinstance(net, Met2Net):
        raise InputError(
            f"{folder.name} is a {config['architecture']}, which knows no variables inside: neither attention between "
            "them nor features of each; give a met2net, or look at its errors (`explain errors` takes every model)."
        )
    channels = tuple(config["variables"])
    edges = pairwise(accumulate(net.config.group_sizes, initial=0))
    tokens = tuple("+".join(channels[first:last]) for first, last in edges)
    step = pd.Timedelta(hours=config["step_hours"])
    return Explained(folder.name, model, net, channels, tokens, step, config["sha256"])
