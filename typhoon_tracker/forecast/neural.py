"""The neural hindcast: a trained network run over the init times of a storm, and rolled out beyond its horizon."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.forecast import engine
from typhoon_tracker.forecast.base import as_forecast, check_request
from typhoon_tracker.forecast.checkpoint import load


class NeuralForecaster:
    """A model folder as a Forecaster, in precision "fp32", "bf16", or the one measured to be faster, "auto"."""

    def __init__(self, folder: Path, *, precision: str = "fp32") -> None:
        self.folder: Path | None = folder
        model, self.config = load(folder)
        network: Any = model.net.config
        self._variables = tuple(self.config["variables"])
        unknown = [name for name in self._variables if name not in CORE]
        if unknown or len(self._variables) != network.variables:
            raise InputError(
                f"the weights of {folder.name} are for the variables {', '.join(self._variables)} "
                f"({network.variables} channels); forecasts need {', '.join(CORE)}."
            )
        self._stride = network.stride
        self.frames_in, self.horizon_hours = network.frames_in, network.frames_out
        self._engine = engine.build(model, precision=precision)
        self.name = folder.name if self._engine.precision == "fp32" else f"{folder.name} ({self._engine.precision})"
        training = self.config.get("training", {})
        first, last = training.get("seasons", (0, -1))
        self.seasons_seen: Collection[int] = {*range(first, last + 1), training.get("validation_season", first)}

    def hindcast(
        self, fields: xr.Dataset, init_times: pd.DatetimeIndex, lead_hours: Sequence[int]
    ) -> Iterator[xr.Dataset]:
        """Yield one forecast per init time (see Forecaster).

        A frame is encoded once for all init times in order whose past holds it; only the leads asked for are decoded.
        """
        check_request(self, fields, init_times, lead_hours)
        height, width = fields.sizes["latitude"], fields.sizes["longitude"]
        if height % self._stride or width % self._stride:
            raise InputError(
                f"the grid of {height} x {width} points does not fit {self.name}: both must be multiples of "
                f"{self._stride}."
            )
        times = fields.indexes["time"]
        remembered: dict[int, Tensor] = {}
        for init in init_times:
            past = times.get_indexer(pd.date_range(end=init, periods=self.frames_in, freq="h")).tolist()
            remembered = {
                i: remembered[i] if i in remembered else self._engine.remember(self._frame(fields, i)) for i in past
            }
            y = self._roll_out(list(remembered.values()), self._frame(fields, past[-1]), lead_hours).numpy()
            named = {name: y[:, i] for i, name in enumerate(self._variables)}
            yield as_forecast(named, fields, init, lead_hours, model=self.name)

    def _frame(self, fields: xr.Dataset, time: int) -> Tensor:
        return torch.from_numpy(np.stack([fields[name][{"time": time}].values for name in self._variables]))

    def _roll_out(self, past: list[Tensor], last: Tensor, lead_hours: Sequence[int]) -> Tensor:
        """Return the frames (L, N, H, W) at the leads; beyond the horizon the network goes on from its own frames."""
        found: dict[int, Tensor] = {}
        for start in range(0, max(lead_hours), self.horizon_hours):
            end = start + self.horizon_hours
            leads = [lead for lead in range(start + 1, end + 1) if lead in lead_hours or max(lead_hours) > end]
            frames = self._engine.forecast(past, last, [lead - start - 1 for lead in leads])
            found |= dict(zip(leads, frames, strict=True))
            if max(lead_hours) > end:
                past = [*past, *map(self._engine.remember, frames)][-self.frames_in :]
                last = frames[-1]
        return torch.stack([found[lead] for lead in lead_hours])
