"""Train a forecaster on reconstructed storms: best tracks to 2021, chosen on 2022, 2023 never seen.

    python -m typhoon_tracker.training.train --out models/met2net-small --steps 3000

Interrupted, the same command goes on from the last checkpoint under `<out>/checkpoints`.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import lightning
import pandas as pd
import torch
import typer
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from typhoon_tracker.besttrack import shipped
from typhoon_tracker.besttrack.split import LAST_TRAINING_SEASON, VALIDATION_SEASON
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.forecast.checkpoint import save
from typhoon_tracker.forecast.model import Normalisation, TendencyModel
from typhoon_tracker.nets.met2net import Met2NetConfig
from typhoon_tracker.training.data import StormWindows, statistics
from typhoon_tracker.training.module import EndToEnd

STATISTICS_BATCHES = 40
VALIDATION_BATCHES, VALIDATION_SEED = 12, 2022
EMA_DECAY = 0.99


class Export(Callback):
    """Write the averaged weights as a model folder at the end of training."""

    def __init__(self, folder: Path, training: dict) -> None:
        self.folder, self.training = folder, training

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        save(pl_module.model, self.folder, variables=CORE, training=self.training)  # type: ignore[arg-type]


def main(
    out: Annotated[Path, typer.Option(help="folder of the trained model")],
    steps: Annotated[int, typer.Option(min=1)] = 3000,
    batch_size: Annotated[int, typer.Option(min=1)] = 8,
    size: Annotated[int, typer.Option(help="points along a side of the training crops, a multiple of 4")] = 64,
    spatial_channels: int = 16,
    temporal_channels: int = 192,
    layers: int = 4,
    learning_rate: float = 1e-3,
    seed: int = 1,
    save_every: Annotated[int, typer.Option(help="steps between checkpoints")] = 100,
    precision: str = "bf16-mixed",
) -> None:
    """Train Met2Net on reconstructed storms and write weights, config and normalisation to OUT."""
    lightning.seed_everything(seed)
    best = shipped.load("wmo").table  # not a file that happens to be in the cache
    train = best[best["season"] <= LAST_TRAINING_SEASON]
    validation = best[best["season"] == VALIDATION_SEASON]
    common = {"batch_size": batch_size, "size": size}
    checkpoints = sorted((out / "checkpoints").glob("step=*.ckpt"), key=lambda p: int(p.stem.split("=")[1]))
    done = int(checkpoints[-1].stem.split("=")[1]) if checkpoints else 0
    windows = StormWindows(train, batches=steps, seed=seed, start=done, **common)
    held_out = StormWindows(validation, batches=VALIDATION_BATCHES, seed=VALIDATION_SEED, **common)
    config = Met2NetConfig(spatial_channels=spatial_channels, temporal_channels=temporal_channels, layers=layers)
    normalisation = Normalisation(**statistics(windows, batches=STATISTICS_BATCHES))
    training = {
        "data": "reconstruction of western North Pacific best tracks (JMA)",
        "seasons": [int(train["season"].min()), LAST_TRAINING_SEASON],
        "validation_season": VALIDATION_SEASON,
        "objective": "end to end: mean square error of the forecast change, every lead and variable scaled to one",
        "steps": steps,
        "batch_size": batch_size,
        "crop": size,
        "learning_rate": learning_rate,
        "ema": EMA_DECAY,
        "seed": seed,
        "precision": precision,
        "torch": torch.__version__,
        "network": asdict(config),
        "trained_on": pd.Timestamp.now().date().isoformat(),
    }
    trainer = lightning.Trainer(
        max_steps=steps,
        precision=precision,  # type: ignore[arg-type]
        val_check_interval=min(save_every, steps - done),
        check_val_every_n_epoch=None,
        log_every_n_steps=10,
        gradient_clip_val=1.0,
        logger=CSVLogger(out, name="logs", version=f"from-{done}"),
        callbacks=[
            EMAWeightAveraging(decay=EMA_DECAY),
            ModelCheckpoint(out / "checkpoints", filename="{step}", every_n_train_steps=save_every, save_top_k=-1),
            Export(out, training),
        ],
        num_sanity_val_steps=0,
        enable_model_summary=False,
    )
    trainer.fit(
        EndToEnd(TendencyModel(config, normalisation), learning_rate=learning_rate, steps=steps),
        DataLoader(windows, batch_size=None),
        DataLoader(held_out, batch_size=None),
        ckpt_path=checkpoints[-1] if checkpoints else None,
    )


if __name__ == "__main__":
    typer.run(main)
