"""Fast inference of a trained network: each frame is encoded once, and only the frames asked for are decoded.

Encoders and decoders work frame by frame, so the latents of a frame serve every forecast whose past holds it, and a
forecast of one lead needs one of the decoder's frames. Frames are small enough, one at a time, for a CPU's cache.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from typhoon_tracker.errors import InputError
from typhoon_tracker.forecast.folded import FoldedTranslator
from typhoon_tracker.forecast.model import FieldModel
from typhoon_tracker.nets.met2net import Met2Net

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
AUTO = "auto"
TRIALS, TRIAL_SIZE = 3, 128  # forecasts timed per precision, of which the fastest counts, and their grid


class Engine(Protocol):
    """A network in evaluation that forecasts from remembered frames."""

    precision: str

    def remember(self, frame: Tensor) -> Tensor:
        """Return what a frame (N, H, W) in SI units is remembered by."""
        ...

    def forecast(self, past: Sequence[Tensor], last: Tensor, frames: Sequence[int]) -> Tensor:
        """Return the frames (L, N, H, W) at the indices `frames`, from the remembered past and its last frame."""
        ...


class RollingEngine:
    """Met2Net, its translator folded, in one precision; what is remembered of a frame are its latents (G, S, h, w)."""

    def __init__(self, model: FieldModel, *, precision: str = "fp32") -> None:
        self.precision, self._model = precision, model
        self._dtype = PRECISIONS[precision]
        net: Any = copy.deepcopy(model.net)
        if FoldedTranslator.fits(net.translator):
            net.translator = FoldedTranslator(net.translator)
        self._net = net.to(dtype=self._dtype, memory_format=torch.channels_last).eval()

    @torch.inference_mode()
    def remember(self, frame: Tensor) -> Tensor:
        return self._net.encode(self._model.normalise(frame)[None, None].to(self._dtype))[0]

    @torch.inference_mode()
    def forecast(self, past: Sequence[Tensor], last: Tensor, frames: Sequence[int]) -> Tensor:
        latents = self._net.translator(torch.cat(list(past), dim=1)[None])  # (1, G, T'*S, h, w)
        said = torch.cat([self._net.decode(latents, [frame])[0] for frame in frames])  # (L, N, H, W)
        return self._model.in_si(said.float(), last, frames)


class WholeEngine:
    """Any other network, run as it is; a frame is remembered by itself."""

    def __init__(self, model: FieldModel, *, precision: str = "fp32") -> None:
        self.precision, self._model = precision, model
        self._dtype = PRECISIONS[precision]
        self._net = copy.deepcopy(model.net).to(self._dtype).eval()

    def remember(self, frame: Tensor) -> Tensor:
        return frame

    @torch.inference_mode()
    def forecast(self, past: Sequence[Tensor], last: Tensor, frames: Sequence[int]) -> Tensor:
        x = self._model.normalise(torch.stack(list(past)))[None].to(self._dtype)
        return self._model.in_si(self._net(x, frames)[0].float(), last, frames)


def build(model: FieldModel, *, precision: str = "fp32") -> Engine:
    """Return the engine that fits a model's network, in "fp32", "bf16" or, with "auto", the faster on this machine.

    Raises InputError for any other precision.
    """
    if precision not in (*PRECISIONS, AUTO):
        raise InputError(f"precision {precision!r} is none of {', '.join((*PRECISIONS, AUTO))}.")
    kind = RollingEngine if isinstance(model.net, Met2Net) else WholeEngine
    if precision == AUTO:
        return min((kind(model, precision=one) for one in PRECISIONS), key=lambda made: _seconds(made, model))
    return kind(model, precision=precision)


def _seconds(made: Engine, model: FieldModel) -> float:
    """Return the time of one forecast of one lead, the best of a few, on a grid of the network's own variables."""
    config: Any = model.net.config
    frame = torch.zeros(config.variables, TRIAL_SIZE, TRIAL_SIZE)
    taken = []
    for _ in range(TRIALS):
        began = time.perf_counter()
        made.forecast([made.remember(frame)] * config.frames_in, frame, [0])
        taken.append(time.perf_counter() - began)
    return min(taken)
