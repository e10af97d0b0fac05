"""Tiny trainings: through the command, on the few storms, and killed at a batch."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file

from typhoon_tracker.training import batches
from typhoon_tracker.training.report import learning_curve
from typhoon_tracker.training.train import train

SIZES = ("frames_in=2", "frames_out=2", "spatial_channels=4", "temporal_channels=8", "layers=1", "stages=2", "heads=2")
TINY = {"steps": 6, "batch_size": 2, "crop": 16, "save_every": 2, "validation_windows": 8, "precision": "32-true"}
TWO_STAGE = {"objective": "two-stage", "target": "state", "momentum": (0.5, 0.9)}


class Killed(BaseException):
    """As if by kill -9: nothing is written after it."""


def run(out: Path, *, network: tuple[str, ...] = (), **changes: object) -> None:
    """Train into `out`, with stochastic depth."""
    train(out, network=[*SIZES, "drop_path=0.5", *network], **{**TINY, **changes})  # type: ignore[arg-type]


def stop_at(monkeypatch, number: int, error: BaseException) -> None:
    """Let training batch `number` raise the error once."""
    plain, left = batches.StormWindows.batch, [error]

    def batch(self, k):
        if k == number and self.seed != batches.VALIDATION_SEED and left:
            raise left.pop()
        return plain(self, k)

    monkeypatch.setattr(batches.StormWindows, "batch", batch)


def weights(out: Path) -> dict:
    return load_file(out / "weights.safetensors")


def losses(out: Path) -> list[tuple[float, float]]:
    """The training losses by step."""
    curve = learning_curve(out / "logs").dropna(subset="train_loss")
    return list(zip(curve["step"], curve["train_loss"], strict=True))
