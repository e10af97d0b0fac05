"""The neural hindcast: a trained network run over the init times of a storm."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr

from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.forecast.base import as_forecast, check_request
from typhoon_tracker.forecast.checkpoint import load


class NeuralForecaster:
    """A model folder as a Forecaster."""

    def __init__(self, folder: Path) -> None:
        self._model, self.config = load(folder)
        network = self._model.net.config
        self.name = folder.name
        self.frames_in, self.horizon_hours = network.frames_in, network.frames_out
        training = self.config.get("training", {})
        first, last = training.get("seasons", (0, -1))
        self.seasons_seen: Collection[int] = {*range(first, last + 1), training.get("validation_season", first)}
        self._variables = tuple(self.config["variables"])
        unknown = [name for name in self._variables if name not in CORE]
        if unknown or len(self._variables) != network.variables:
            raise InputError(
                f"the weights of {self.name} are for the variables {', '.join(self._variables)} ({network.variables} "
                f"channels); forecasts need {', '.join(CORE)}."
            )

    def hindcast(
        self, fields: xr.Dataset, init_times: pd.DatetimeIndex, lead_hours: Sequence[int]
    ) -> Iterator[xr.Dataset]:
        """Yield one forecast per init time (see Forecaster); only the leads asked for are decoded."""
        check_request(self, fields, init_times, lead_hours)
        stride = self._model.net.config.stride
        height, width = fields.sizes["latitude"], fields.sizes["longitude"]
        if height % stride or width % stride:
            raise InputError(
                f"the grid of {height} x {width} points does not fit {self.name}: both must be multiples of {stride}."
            )
        stacked = np.stack([fields[name].values for name in self._variables], axis=1)  # (time, N, H, W)
        frames = [lead - 1 for lead in lead_hours]
        for init in init_times:
            past = pd.date_range(end=init, periods=self.frames_in, freq="h")
            x = torch.from_numpy(stacked[fields.indexes["time"].get_indexer(past)])[None]
            with torch.inference_mode():
                y = self._model(x, frames)[0].numpy()  # (lead, N, H, W)
            named = {name: y[:, i] for i, name in enumerate(self._variables)}
            yield as_forecast(named, fields, init, lead_hours, model=self.name)
