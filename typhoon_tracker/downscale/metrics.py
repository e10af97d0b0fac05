"""Scores of downscaled fields, gathered batch by batch."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from typhoon_tracker.errors import InputError

KERNEL = 11  # points of the SSIM's Gaussian window
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # weights of MS-SSIM (Wang et al. 2003)
COLUMNS = {  # column: what it is called in a table
    "mse": "MSE",
    "rmse": "RMSE",
    "mae": "MAE",
    "bias": "bias",
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "ms_ssim": "MS-SSIM",
    "pearson": "Pearson",
    "mass_violation": "mass violation",
    "negatives": "negatives",
    "negative_mean": "their mean",
    "max_bias": "bias of maximum",
    "min_bias": "bias of minimum",
    "crps": "CRPS",
    "spread": "spread",
}


class Scores:
    """The scores of one variable: `add` batches of frames, then `compute`.

    MSE, MAE, bias, PSNR, SSIM, MS-SSIM and Pearson are of fine fields against the truth, RMSE the root of the mean MSE;
    PSNR and SSIM with the range of all true fields, `low` to `high`, SSIM of fields counted from `low`, so that it
    depends on no unit's zero. Negative values are counted where the truth has none. Mass violation is the mean
    |block mean - coarse|. The biases of maximum and minimum are those of a frame's extremes. For an ensemble all of
    them are those of its mean; CRPS (of the members as they are, without correction for their number) and spread (mean
    standard deviation) are its own.
    """

    def __init__(self, *, low: float, high: float, shape: tuple[int, int]) -> None:
        try:
            from torchmetrics import MeanAbsoluteError, MeanSquaredError, MetricCollection, PearsonCorrCoef
            from torchmetrics.image import (
                MultiScaleStructuralSimilarityIndexMeasure,
                PeakSignalNoiseRatio,
                StructuralSimilarityIndexMeasure,
            )
        except ImportError as error:
            raise InputError(
                f"the scores need a library that is missing ({error}); pip install 'typhoon-tracker[train]'."
            ) from error
        self.low, data_range = low, high - low
        images: dict[str, object] = {
            "psnr": PeakSignalNoiseRatio(data_range=data_range),
            "ssim": StructuralSimilarityIndexMeasure(data_range=data_range, kernel_size=KERNEL),
        }
        self.scales = scales(shape)
        if self.scales:
            betas = tuple(beta / sum(SCALES[: self.scales]) for beta in SCALES[: self.scales])
            images["ms_ssim"] = MultiScaleStructuralSimilarityIndexMeasure(data_range=data_range, betas=betas)
        values = {"mse": MeanSquaredError(), "mae": MeanAbsoluteError(), "pearson": PearsonCorrCoef()}
        self._images = MetricCollection(images, compute_groups=False).set_dtype(torch.float64)  # type: ignore[arg-type]
        self._values = MetricCollection(values, compute_groups=False).set_dtype(torch.float64)  # type: ignore[arg-type]
        self._sums: dict[str, list[float]] = {}

    def add(self, fine: Tensor, target: Tensor, *, violation: Tensor, members: Tensor | None = None) -> None:
        """Take frames (B, H, W) and what they miss of the block means, of any shape; members are (M, B, H, W)."""
        fine, target = fine.double(), target.double()
        images = ((field - self.low)[:, None].float() for field in (fine, target))  # convolutions in double are slow
        self._images.update(*images)
        self._values.update(fine.flatten(), target.flatten())
        self._mean("bias", fine - target)
        self._mean("mass_violation", violation.double().abs())
        if self.low >= 0.0:
            self._mean("negative_mean", fine[fine < 0.0])
        self._mean("max_bias", fine.amax((-2, -1)) - target.amax((-2, -1)))
        self._mean("min_bias", fine.amin((-2, -1)) - target.amin((-2, -1)))
        if members is not None:
            self._mean("spread", members.double().std(0))
            self._mean("crps", _crps(members.double(), target))

    def compute(self) -> dict[str, float | None]:
        """Return the scores by column; None for those that this grid or model does not have."""
        found: dict[str, float | None] = dict.fromkeys(COLUMNS)
        for part in (self._values, self._images):
            found |= {name: float(value) for name, value in part.compute().items()}
        found |= {name: total / count for name, (total, count) in self._sums.items() if count}
        found["rmse"] = math.sqrt(found["mse"] or 0.0)
        found["negatives"] = self._sums["negative_mean"][1] if self.low >= 0.0 else None
        return found

    def _mean(self, name: str, values: Tensor) -> None:
        sums = self._sums.setdefault(name, [0.0, 0])
        sums[0] += float(values.sum())
        sums[1] += values.numel()


def scales(shape: tuple[int, int]) -> int:
    """Return how many of the five scales of MS-SSIM a grid allows; 0 for fewer than two."""
    fitting = [n for n in range(2, len(SCALES) + 1) if min(shape) // (n - 1) ** 2 >= KERNEL]
    return max((n for n in fitting if min(shape) // 2 ** (n - 1) >= KERNEL), default=0)


def _crps(members: Tensor, target: Tensor) -> Tensor:
    try:
        import xarray as xr
        from scores.probability import crps_for_ensemble  # type: ignore[import-untyped]
    except ImportError as error:
        raise InputError(f"CRPS needs a library that is missing ({error}); pip install scores.") from error
    dims = ("frame", "row", "column")
    forecast, truth = xr.DataArray(members.numpy(), dims=("member", *dims)), xr.DataArray(target.numpy(), dims=dims)
    found = crps_for_ensemble(forecast, truth, "member", method="ecdf", preserve_dims="all")
    return torch.from_numpy(found.values)
