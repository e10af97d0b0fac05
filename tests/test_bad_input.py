"""Whatever is wrong with the input: one sentence, exit code 2, nothing written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from .commands import ROKE, rewritten, run, tiny_model

PERSISTENCE = ("--model", "persistence")
Change = Callable[[xr.Dataset], xr.Dataset]


def refused(out: Path, *arguments: str | Path, because: str) -> None:
    """Run and see that it is refused in one sentence, before anything is written."""
    folder = out / "results"
    around = sorted(out.iterdir())
    outcome = run(*arguments, "--out", folder)
    assert outcome.code == 2, outcome.err
    assert outcome.out == ""
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    assert re.search(because, outcome.err), outcome.err
    assert sorted(out.iterdir()) == around


@pytest.mark.parametrize(
    ("arguments", "because"),
    [
        (("--storm", "MAWARR"), r"no storm 'MAWARR' .*nearest names are .*MAWAR \(.*2023\)"),
        (("--storm", ""), "no storm ''"),
        (("--storm", "2023138N05150"), "nearest ids are .*2023138N05151"),
        (("--storm", "MAWAR", "--season", "2022"), "not in season 2022 .* it exists in 2005, 2012, 2017 and 2023"),
        (("--storm", "MAWAR", "--agency", "jmaa"), "no best-track agency 'jmaa'; .* nearest is 'jma'"),
        (("--storm", "MAWAR", "--agency", "cma"), "hold wmo and jtwc, not 'cma'"),
        (("--storm", "MERBOK", "--season", "2022"), r"never enters the region .* stays within .*Choose another"),
        (("--storm", "MAWAR", "--lead", "1.5h"), "lead '1.5h' is not a positive multiple of the hourly step"),
        (("--storm", "MAWAR", "--lead", "0"), "lead '0' is not"),
        (("--storm", "MAWAR", "--lead", "-3h"), "lead '-3h' is not"),
        (("--storm", "MAWAR", "--lead", "soon"), "lead 'soon' is not"),
        (("--storm", "MAWAR", "--lead", "73h"), "lead 73 h is outside 1 to 72 h"),
        ((*ROKE, "--init", "yesterday evening"), "init 'yesterday evening' is not a time"),
        ((*ROKE, "--init", "2022-09-29T15"), r"cannot start at 2022-09-29 15:00Z.* 11 init times at 00, 06, 12, 18Z"),
        ((*ROKE, "--init", "2022-09-29T18+09:00"), r"cannot start at 2022-09-29 09:00Z"),
        ((*ROKE, "--init", "2022-10-29T18"), r"cannot start at .* to 2022-09-30 12Z, such as"),
        ((*ROKE, "--fields", "missing.nc"), "missing.nc' are neither"),
        ((*ROKE, "--fields", "missing_*.nc"), "no file matches"),
    ],
)
def test_arguments(arguments: tuple[str, ...], because: str, tmp_path: Path) -> None:
    refused(tmp_path, *arguments, *PERSISTENCE, because=because)


@pytest.mark.parametrize(
    ("arguments", "because"),
    [
        (("--stom", "MAWAR"), "--storm"),
        (("--storm", "MAWAR", "--season", "last"), "season"),
        (("--storm",), "storm"),
        ((), "storm"),
        (("MAWAR",), "storm|argument"),
    ],
)
def test_a_command_line_that_cannot_be_parsed(arguments: tuple[str, ...], because: str) -> None:
    outcome = run(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert re.search(because, outcome.err)
    assert "Traceback" not in outcome.err


def test_an_unknown_model_is_answered_with_those_there_are(tmp_path: Path) -> None:
    refused(tmp_path, *ROKE, "--model", "met2net-huge", because="no model 'met2net-huge': .*persistence")


def test_a_file_where_the_outputs_should_go(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("in the way")
    refused(tmp_path, *ROKE, *PERSISTENCE, because="results is no folder. Choose another folder with --out")
    assert (tmp_path / "results").read_text() == "in the way"


def hole(raw: xr.Dataset) -> xr.Dataset:
    raw["u10"][40, 60, 60] = np.nan
    return raw


def hectopascal(raw: xr.Dataset) -> xr.Dataset:
    raw["msl"] = (raw["msl"] / 100).assign_attrs(raw["msl"].attrs)
    return raw


def other_units(raw: xr.Dataset) -> xr.Dataset:
    raw["t2m"].attrs["units"] = "furlong"
    return raw


BAD_FIELDS: dict[str, tuple[Change, str]] = {
    "a variable missing": (lambda raw: raw.drop_vars("t2m"), "t2m"),
    "a gap in time": (lambda raw: raw.drop_isel(valid_time=40), r"hourly fields are needed; before .* 0 days 02:00"),
    "a NaN": (hole, "u10 has 1 NaN"),
    "numbers in hPa called Pa": (hectopascal, "msl runs from .* must stay within 84000 to 110000"),
    "units unknown": (other_units, "t2m.*furlong"),
    "another time": (lambda raw: raw.assign_coords(valid_time=raw.valid_time + np.timedelta64(365, "D")), "2023"),
    "too far south": (lambda raw: raw.isel(latitude=slice(20, None)), "covers 12.25 to 39N"),
    "a seam in longitude": (lambda raw: raw.drop_isel(longitude=60), "region"),
    "every second degree": (lambda raw: raw.isel(latitude=slice(None, None, 2)), r"latitude .* spaced by 0.5 deg"),
    "no time at all": (lambda raw: raw.isel(valid_time=0).drop_vars("valid_time"), "time"),
}


@pytest.mark.parametrize("fault", BAD_FIELDS)
def test_fields(fault: str, cds_file: Path, tmp_path: Path) -> None:
    change, because = BAD_FIELDS[fault]
    path = rewritten(cds_file, tmp_path / "bad.nc", change)
    refused(tmp_path, *ROKE, *PERSISTENCE, "--fields", path, because=because)


def test_fields_too_short_for_a_forecast(cds_file: Path, tmp_path: Path) -> None:
    """A network needs twelve frames; eight are a file, but no forecast."""
    path = rewritten(cds_file, tmp_path / "short.nc", lambda raw: raw.isel(valid_time=slice(30, 38)))
    model = tiny_model(tmp_path / "tiny")
    because = "no forecast of ROKE .* can start: .* 12 hourly frames"
    refused(tmp_path, *ROKE, "--model", model, "--fields", path, because=because)


@pytest.mark.parametrize("content", [b"", b"no fields", b"CDF\x01 broken", b"\x89HDF\r\n\x1a\n broken"])
def test_a_file_that_is_damaged(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "damaged.nc").write_bytes(content)
    refused(tmp_path, *ROKE, *PERSISTENCE, "--fields", tmp_path / "damaged.nc", because="damaged.nc")


def truncated(model: Path) -> None:
    weights = model / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def tampered(model: Path) -> None:
    weights = model / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)


def reconfigured(**network: int) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        config = json.loads((model / "config.json").read_text())
        config["network"].update(network)
        (model / "config.json").write_text(json.dumps(config))

    return change


def fewer_statistics(model: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    config["normalisation"]["mean"].pop()
    (model / "config.json").write_text(json.dumps(config))


BAD_MODELS: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (truncated, "truncated or changed"),
    "one bit changed": (tampered, "truncated or changed"),
    "no weights": (lambda model: (model / "weights.safetensors").unlink(), "cannot be read: No such file"),
    "no JSON": (lambda model: (model / "config.json").write_text("{"), "cannot be read as a model's config"),
    "half a config": (lambda model: (model / "config.json").write_text("{}"), "lacks architecture, network"),
    "other sizes": (reconfigured(temporal_channels=8), "do not fit their config"),
    "an unknown setting": (reconfigured(depth=8), "unknown met2net setting 'depth'"),
    "heads that do not divide": (reconfigured(heads=3), "3 heads"),
    "too few statistics": (fewer_statistics, "mean"),
}


@pytest.mark.parametrize("fault", BAD_MODELS)
def test_models(fault: str, tmp_path: Path) -> None:
    change, because = BAD_MODELS[fault]
    model = tiny_model(tmp_path / "tiny")
    change(model)
    refused(tmp_path, *ROKE, "--model", model, because=because)


def test_weights_for_other_variables(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "tiny", variables=("msl", "u10", "v10", "z500"))
    refused(tmp_path, *ROKE, "--model", model, because="for the variables msl, u10, v10, z500")


def test_weights_that_do_not_fit_the_grid(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "tiny", stages=16)
    refused(tmp_path, *ROKE, "--model", model, because="grid of 128 x 128 points .* multiples of 256")
