"""The command: train, evaluate, apply, and the grid of experiments, each with one sentence for bad input."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest
import torch

from tests.commands import Outcome, command
from tests.downscale.samples import tensors
from tests.downscale.test_refine import coarse
from typhoon_tracker.downscale import grid as experiments
from typhoon_tracker.downscale.report_table import EXPERIMENTS, REPORTED
from typhoon_tracker.downscaling import app
from typhoon_tracker.sources.files import open_files
from typhoon_tracker.sources.netcdf import write_cds

pytestmark = pytest.mark.filterwarnings("ignore")
TINY = ("--steps", "2", "--batch-size", "3", "--width", "4", "--save-every", "1")


def downscale(*arguments: object) -> Outcome:
    return command(app, *map(str, arguments))


@pytest.fixture(scope="module")
def trained(storms, tmp_path_factory):
    out = tmp_path_factory.mktemp("command") / "small"
    said = downscale("train", "--data", storms, "--out", out, "--constraint", "softmax", *TINY)
    assert said.code == 0, said.err
    return out, said


def test_train_says_what_it_did(trained):
    out, said = trained
    assert "steps             2" in said.out
    assert "(the weights of step" in " ".join(said.out.split())
    assert "no block means" not in said.out
    assert json.loads((out / "config.json").read_text())["training"]["command"].startswith("typhoon-tracker train")


def test_evaluate_prints_every_score_and_json_alone(trained):
    out, _ = trained
    shown = downscale("evaluate", "--model", out)
    assert shown.code == 0, shown.err
    for word in ("PSNR", "SSIM", "Pearson", "mass violation", "negatives", "bias of maximum", "range        speed"):
        assert word in shown.out
    found = json.loads(downscale("evaluate", "--model", out, "--json").out)
    assert found["scores"]["speed"]["negatives"] == 0
    assert found["split"] == "test"


def test_evaluate_scores_an_interpolation(storms):
    found = json.loads(
        downscale("evaluate", "--model", "bicubic+additive", "--data", storms, "--factor", 2, "--json").out
    )
    assert found["scores"]["speed"]["mass_violation"] < 1e-5


def test_apply_writes_a_file_that_reads_back(trained, tmp_path):
    write_cds(coarse(3), tmp_path / "coarse.nc")
    said = downscale("apply", tmp_path / "coarse.nc", "--model", trained[0], "--out", tmp_path / "fine.nc")
    assert said.code == 0, said.err
    assert "3 frames of 24 x 32" in said.out
    assert "largest |block mean - coarse|: speed" in said.out
    fine = open_files(tmp_path / "fine.nc", variables=("speed",))
    assert "downscaled x4 by small (constraint softmax)" in fine.attrs["source"]
    assert float(fine["speed"].min()) >= 0


def test_tensors_are_trained_on_and_evaluated(tmp_path):
    data = tensors(tmp_path / "pairs")
    asked = ("--data", data, "--factor", 2, "--variable", "tcwv", "--constraint", "softmax")
    said = downscale("train", *asked, "--out", tmp_path / "out", *TINY)
    assert said.code == 0, said.err
    found = json.loads(downscale("evaluate", "--model", tmp_path / "out", "--json").out)
    assert (found["cases"], found["scores"]["tcwv"]["negatives"]) == (10, 0)
    assert found["scores"]["tcwv"]["mass_violation"] < 1e-6


@pytest.mark.parametrize(
    ("kind", "change", "options", "message"),
    [
        ("target", lambda x: x.where(x < 0.9, torch.nan), (), r"the fine fields have \d+ NaN or infinite values"),
        ("input", lambda x: x.where(x < 0.6, torch.inf), (), r"the coarse fields have \d+ NaN or infinite values"),
        ("target", lambda x: x - 0.5, ("--constraint", "softmax"), r"off from their block means by"),
        (
            "both",
            lambda x: x - 0.5,
            ("--constraint", "softmax"),
            r"field1 goes down to -0\.\d+\. Give the constraint add",
        ),
        ("input", lambda x: x.flip(0), (), r"off from their block means by 1\.\d standard deviations"),
        (
            "input",
            lambda x: x[..., :3],
            (),
            r"the fine grid of 8 x 8 points is no whole multiple of the coarse one of 4",
        ),
        ("both", lambda x: x, ("--factor", "4"), "a factor of 2, not 4; give --factor 2"),
        ("both", lambda x: x, ("--size", "4"), "are used whole; leave --size out"),
    ],
)
def test_bad_tensors_are_one_sentence(tmp_path, kind, change, options, message):
    data = tensors(tmp_path / "pairs")
    for path in data.rglob("*.pt"):
        if kind == "both" or path.name.startswith(kind):
            torch.save(change(torch.load(path, weights_only=True)).clone(), path)
    said = downscale("train", "--data", data, "--out", tmp_path / "out", "--factor", 2, *TINY, *options)
    assert (said.code, said.out) == (2, "")
    assert re.search(message, said.err), said.err
    assert said.err.count("\n") == 1


def test_coarse_fields_that_are_no_block_means_are_said(tmp_path):
    data = tensors(tmp_path / "pairs", shift=0.02)
    said = downscale("train", "--data", data, "--out", tmp_path / "out", "--factor", 2, *TINY)
    assert "the coarse fields are no block means of the fine ones: off by field1" in " ".join(said.out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--data", "none.nc", "--out", "out"), "none.nc does not exist"),
        (("train", "--data", "{storms}", "--out", "out", "--network", "unet"), "unknown network 'unet'"),
        (("train", "--data", "{storms}", "--out", "out", "--factor", "6"), "by a power of two, not by 6"),
        (
            ("train", "--data", "{storms}", "--out", "out", "--variable", "v10", "--constraint", "softmax"),
            "v10 goes down to -",
        ),
        (("evaluate", "--model", "nowhere"), "no downscaler 'nowhere'"),
        (("evaluate", "--model", "bicubic"), "bicubic knows no data; give --data"),
        (("evaluate", "--model", "bicubic", "--data", "{storms}", "--split", "tset"), "unknown split 'tset'"),
        (("apply", "none.nc", "--model", "nowhere", "--out", "fine.nc"), "no downscaler 'nowhere'"),
        (
            ("grid", "--data", "{storms}", "--out", "out", "--cell", "cnn-x3"),
            "unknown cell 'cnn-x3'; known: cnn-x2-none",
        ),
    ],
)
def test_bad_input_is_one_sentence(arguments, message, storms, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = downscale(*(one.format(storms=storms) for one in arguments))
    assert said.code == 2
    assert said.err.startswith("error: ")
    assert message in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "config.json").exists()


def test_the_grid_is_resumable_and_stands_beside_the_report(storms, tmp_path, monkeypatch):
    cells = ("--cell", "gan-x4-none", "--cell", "gan-x4-softmax")
    asked = ("grid", "--data", storms, "--out", tmp_path, "--members", 2, *cells, *TINY)
    assert downscale(*asked, "--seeds", 1).code == 0
    trained_now, plain = [], experiments.fit

    def fit(settings, machine, **rest):
        trained_now.append((settings.constraint, settings.seed))
        return plain(settings, machine, **rest)

    monkeypatch.setattr(experiments, "fit", fit)
    refused = downscale(*asked, "--variable", "u10", "--seeds", 1)
    assert refused.code == 2
    assert "u10 goes down to -" in refused.err
    said = downscale(*asked, "--seeds", 2)
    assert said.code == 0, said.err
    assert trained_now == [("none", 2), ("softmax", 2)]
    table = pd.read_csv(tmp_path / "table.csv").set_index("cell")
    runs = pd.read_csv(tmp_path / "runs.csv")
    mine = runs.loc[runs["cell"] == "gan-x4-softmax", "mse"]
    row = table.loc["gan-x4-softmax"]
    assert (row["seeds"], row["report_mse"], row["report_negatives"]) == (2, 0.2002, 0)
    assert row["mse"] == pytest.approx(mine.mean())
    assert row["mse_std"] == pytest.approx(mine.std())
    assert row["mse_ratio"] == pytest.approx(row["mse"] / table.loc["gan-x4-none", "mse"])
    assert row["report_mse_ratio"] == pytest.approx(0.2002 / 1.4214)
    assert {"bilinear-x4", "bicubic+additive-x4"} <= set(table.index)
    text = (tmp_path / "table.md").read_text()
    assert text == said.out
    assert " ± " in text
    assert downscale("table", tmp_path / "runs.csv").out == text  # the file holds all that the table says
    lacking = downscale("table", tmp_path / "table.csv")
    assert (lacking.code, lacking.out) == (2, "")
    assert "lacks seed" in lacking.err


def test_the_report_is_quoted_in_full():
    assert len(REPORTED) == 15
    assert len({one.name for one in EXPERIMENTS}) == len(EXPERIMENTS)
    for one in REPORTED:  # its PSNR all have one range, about 101 kg m-2
        assert 10 ** (one.psnr / 20) * one.mse**0.5 == pytest.approx(101.0, rel=0.02), one.name
