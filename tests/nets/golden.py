"""Access to the golden vectors of the released network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

GOLDEN = Path(__file__).resolve().parents[2] / "../shared/golden/met2net_released_small.npz"


def load_golden() -> dict[str, np.ndarray]:
    if not GOLDEN.is_file():
        pytest.skip(f"no golden vectors: {GOLDEN.name} is absent")
    return dict(np.load(GOLDEN))


def part(golden: dict[str, np.ndarray], prefix: str) -> dict[str, torch.Tensor]:
    """The arrays under a prefix, as tensors under the rest of their names."""
    return {k.removeprefix(prefix): torch.from_numpy(v) for k, v in golden.items() if k.startswith(prefix)}
