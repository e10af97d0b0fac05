"""ConvLSTM (Shi et al., NeurIPS 2015) in the form benchmarks use: patches, stacked cells, autoregressive forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typhoon_tracker.nets.contract import check_frames, check_sizes, chosen, set_sizes


@dataclass(frozen=True)
class ConvLSTMConfig:
    """Settings of ConvLSTM: channels of each cell, kernel size, and the side of the patches that frames are cut into.

    By default two cells of 128 channels, whose operations are those of the Met2Net paper's ERA5 table (135 G).
    Raises ValueError, quoting the value, for settings that fit no network.
    """

    frames_in: int = 12
    frames_out: int = 12
    variables: int = 4
    hidden: tuple[int, ...] = (128, 128)
    kernel: int = 5
    patch: int = 4

    def __post_init__(self) -> None:
        check_sizes(self, "frames_in", "frames_out", "variables", "kernel", "patch")
        set_sizes(self, "hidden")
        if not self.hidden:
            raise ValueError("hidden = () must name the channels of one cell or more.")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel = {self.kernel} must be odd, to keep the grid.")

    @property
    def stride(self) -> int:
        """How much coarser the cells' grid is: a patch is a point of it."""
        return self.patch


class Cell(nn.Module):
    """c' = sigmoid(f) c + sigmoid(i) tanh(g); h' = sigmoid(o) tanh(c'), with i, f, o, g one convolution of x and h.

    Without the peephole weights of the paper, as the benchmarks have it. The forget gate starts open (bias 1).
    """

    def __init__(self, c_in: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.gates = nn.Conv2d(c_in + hidden, 4 * hidden, kernel, padding=kernel // 2)
        nn.init.zeros_(self.gates.bias)  # type: ignore[arg-type]
        nn.init.ones_(self.gates.bias[hidden : 2 * hidden])  # type: ignore[index]

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """Return hidden and cell state (B, hidden, h, w) after an input x (B, c_in, h, w); no state is all zeros."""
        h, c = (x.new_zeros(x.shape[0], self.hidden, *x.shape[2:]),) * 2 if state is None else state
        i, f, o, g = self.gates(torch.cat([x, h], dim=1)).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class ConvLSTM(nn.Module):
    """Forecast the next frames, each from the one before: x (B, T, N, H, W) to (B, T', N, H, W).

    Raises ValueError where H and W are no multiples of `config.stride`, or frames or channels are not the config's.
    """

    def __init__(self, config: ConvLSTMConfig) -> None:
        super().__init__()
        self.config = config
        values = config.variables * config.patch**2
        widths = [values, *config.hidden]
        self.cells = nn.ModuleList(Cell(a, b, config.kernel) for a, b in zip(widths, config.hidden, strict=False))
        self.readout = nn.Conv2d(config.hidden[-1], values, 1)

    def forward(self, x: Tensor, frames: Sequence[int] | None = None) -> Tensor:
        check_frames(x, self.config)
        wanted = chosen(frames, self.config)
        states: list[tuple[Tensor, Tensor] | None] = [None] * len(self.cells)
        for frame in F.pixel_unshuffle(x, self.config.patch).unbind(1):  # (B, N*p*p, h, w)
            top = self._step(frame, states)
        forecast = [self.readout(top)]
        for _ in range(max(wanted)):
            forecast.append(self.readout(self._step(forecast[-1], states)))
        return F.pixel_shuffle(torch.stack([forecast[t] for t in wanted], dim=1), self.config.patch)

    def _step(self, x: Tensor, states: list[tuple[Tensor, Tensor] | None]) -> Tensor:
        """Return the last cell's hidden state after a frame x, moving the states on."""
        for level, cell in enumerate(self.cells):
            x, memory = cell(x, states[level])
            states[level] = (x, memory)
        return x
