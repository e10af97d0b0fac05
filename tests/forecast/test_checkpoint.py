"""A model folder is whole or it is refused, with a sentence that says what is wrong."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes

from tests.forecast.conftest import FRAMES_IN, FRAMES_OUT, times
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.forecast import checkpoint
from typhoon_tracker.forecast.checkpoint import CONFIG, WEIGHTS, find, load, read_config, save
from typhoon_tracker.forecast.model import FieldModel
from typhoon_tracker.forecast.neural import NeuralForecaster
from typhoon_tracker.nets.architectures import build


@pytest.fixture
def window_of_noise(model):
    noise = torch.randn(1, FRAMES_IN, len(CORE), 16, 20, generator=torch.Generator().manual_seed(0))
    return model.mean + model.std * noise


def rewrite(folder, change):
    """Change the config in place."""
    config = json.loads((folder / CONFIG).read_text())
    change(config)
    (folder / CONFIG).write_text(json.dumps(config))


def replace_weights(folder, content):
    """Other weights, vouched for by the config."""
    (folder / WEIGHTS).write_bytes(content)
    rewrite(folder, lambda config: config.update(sha256=hashlib.sha256(content).hexdigest()))


def state_of(folder):
    return from_bytes((folder / WEIGHTS).read_bytes())


def test_what_is_loaded_is_what_was_saved(model, folder):
    loaded, config = load(folder)
    assert not loaded.training
    assert loaded.net.config == model.net.config
    assert loaded.normalisation == model.normalisation
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    assert config["training"] == {"data": "random"}
    assert config["variables"] == list(CORE)


@pytest.mark.parametrize("architecture", ["met2net", "tau", "convlstm"])
def test_every_architecture_comes_back_with_its_target(model, window_of_noise, tmp_path, architecture):
    sizes = {"frames_in": FRAMES_IN, "frames_out": FRAMES_OUT}
    small = {"convlstm": {"hidden": [4], "patch": 4}}.get(architecture, {"spatial_channels": 4, "temporal_channels": 8})
    net = model.net if architecture == "met2net" else build(architecture, {**sizes, **small})
    made = FieldModel(net, model.normalisation, target="state").eval()
    save(made, tmp_path / "new", variables=CORE, training={})
    loaded, config = load(tmp_path / "new")
    assert (config["architecture"], config["target"], loaded.target) == (architecture, "state", "state")
    assert torch.equal(loaded(window_of_noise), made(window_of_noise))


def test_a_full_disk_leaves_no_part_of_the_new_model(model, folder, monkeypatch):
    die_after(1, monkeypatch)
    with pytest.raises(OSError, match="killed"):
        save(another(model), folder, variables=CORE, training={})
    assert sorted(path.name for path in folder.iterdir()) == [CONFIG, WEIGHTS]


def test_saved_again_the_model_makes_the_same_forecast_to_the_last_bit(folder, fields, tmp_path):
    loaded, config = load(folder)
    save(loaded, tmp_path / "again", variables=config["variables"], training=config["training"])
    first, second = (
        next(NeuralForecaster(path).hindcast(fields, times(5), [1, 3])) for path in (folder, tmp_path / "again")
    )
    for name in CORE:
        np.testing.assert_array_equal(first[name], second[name])
    assert (folder / CONFIG).read_text() == (tmp_path / "again" / CONFIG).read_text()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-100],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),  # one bit
        lambda content: bytes([content[0] ^ 1]) + content[1:],
        lambda content: b"",
    ],
    ids=["truncated", "last bit", "first bit", "empty"],
)
def test_weights_that_are_not_those_of_the_config_are_refused(folder, damage):
    (folder / WEIGHTS).write_bytes(damage((folder / WEIGHTS).read_bytes()))
    with pytest.raises(InputError, match=r"weights\.safetensors are truncated or changed .* get the file again"):
        load(folder)


def test_a_wrong_checksum_is_refused(folder):
    rewrite(folder, lambda config: config.update(sha256="0" * 64))
    with pytest.raises(InputError, match=r"expected 000000000000\.\.\."):
        load(folder)


def test_absent_weights_are_refused(folder):
    (folder / WEIGHTS).unlink()
    with pytest.raises(InputError, match=r"weights\.safetensors cannot be read: No such file"):
        load(folder)


def test_weights_that_do_not_fit_the_network_are_named(folder):
    key = "translator.layers.0.unit.far.weight"
    state = state_of(folder)
    shape = tuple(state[key].shape)
    replace_weights(folder, to_bytes({**state, key: torch.zeros(8, 1, 5, 5)}))
    with pytest.raises(InputError, match=rf"{key} has shape \(8, 1, 5, 5\), \({shape[0]}, 1, 7, 7\) is needed"):
        load(folder)
    replace_weights(folder, to_bytes({k: v for k, v in state.items() if k != key}))
    with pytest.raises(InputError, match=f"{key} is missing"):
        load(folder)
    replace_weights(folder, to_bytes({**state, "translator.extra": torch.zeros(1)}))
    with pytest.raises(InputError, match=r"translator\.extra has no place in the network"):
        load(folder)
    replace_weights(folder, b"no safetensors at all")
    with pytest.raises(InputError, match="holds no safetensors"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["network"].update(dropout=0.1), r"describes no network: .*dropout.*drop_path"),
        (lambda c: c["network"].update(heads=3), r"describes no network: 3 heads do not divide temporal_channels = 8"),
        (lambda c: c.update(target="change"), r"has the target 'change'; known: tendency, state"),
        (lambda c: c["network"].update(layers=2), r"translator\.layers\.1\..* is missing"),
        (lambda c: c["normalisation"].pop("std"), r"std has shape \(\), \(4,\) is needed"),
        (lambda c: c["normalisation"]["mean"].pop(), r"mean has shape \(3,\), \(4,\) is needed"),
        (lambda c: c["normalisation"]["tendency_std"].pop(), r"tendency_std has shape \(2, 4\), \(3, 4\) is needed"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(folder, change, message):
    rewrite(folder, change)
    with pytest.raises(InputError, match=message):
        load(folder)


@pytest.mark.parametrize("key", checkpoint.NEEDED)
def test_a_config_without_a_part_is_refused(folder, key):
    rewrite(folder, lambda config: config.pop(key))
    with pytest.raises(InputError, match=f"config.json lacks {key}"):
        load(folder)


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe\x00", b"[1, 2]", b'"text"'])
def test_a_config_that_is_none_is_refused(folder, content):
    (folder / CONFIG).write_bytes(content)
    with pytest.raises(InputError, match="config"):
        read_config(folder)


def test_weights_for_other_variables_are_refused(folder):
    rewrite(folder, lambda config: config.update(variables=["msl", "u10", "v10", "z500"]))
    with pytest.raises(
        InputError, match=r"are for the variables msl, u10, v10, z500 .* forecasts need msl, u10, v10, t2m"
    ):
        NeuralForecaster(folder)
    rewrite(folder, lambda config: config.update(variables=["msl", "u10"]))
    with pytest.raises(InputError, match=r"msl, u10 \(4 channels\)"):
        NeuralForecaster(folder)


@pytest.mark.parametrize("survives", [0, 1, 2, 3])
def test_killed_while_saving_a_new_model_leaves_none(model, tmp_path, monkeypatch, survives):
    """Two writes, two renames: whichever of them is the last, there is no half model that anything would take."""
    die_after(survives, monkeypatch)
    with pytest.raises(OSError, match="killed"):
        save(model, tmp_path / "new", variables=CORE, training={})
    with pytest.raises(InputError, match="neither a folder with"):
        find(str(tmp_path / "new"))
    with pytest.raises(InputError, match="cannot be read as a model's config"):
        load(tmp_path / "new")


@pytest.mark.parametrize("survives", [0, 1, 2])
def test_killed_while_replacing_a_model_leaves_the_old_one(model, folder, monkeypatch, survives):
    before = [(folder / name).read_bytes() for name in (WEIGHTS, CONFIG)]
    other = another(model)
    die_after(survives, monkeypatch)
    with pytest.raises(OSError, match="killed"):
        save(other, folder, variables=CORE, training={})
    assert [(folder / name).read_bytes() for name in (WEIGHTS, CONFIG)] == before


def test_killed_between_the_renames_the_mixture_is_refused(folder, model, monkeypatch):
    die_after(3, monkeypatch)
    other = another(model)
    with pytest.raises(OSError, match="killed"):
        save(other, folder, variables=CORE, training={})
    with pytest.raises(InputError, match="truncated or changed"):
        load(folder)


def another(model):
    """A model of the same sizes with other weights."""
    other = FieldModel(copy.deepcopy(model.net), model.normalisation)
    for parameter in other.parameters():
        parameter.data += 0.1
    return other


def die_after(survives, monkeypatch):
    """Let that many writes and renames succeed, then fail."""
    left = [survives]

    def count(plain):
        def call(*arguments):
            if not left[0]:
                raise OSError("killed")
            left[0] -= 1
            return plain(*arguments)

        return call

    monkeypatch.setattr(checkpoint.Path, "write_bytes", count(checkpoint.Path.write_bytes))
    monkeypatch.setattr(checkpoint.os, "replace", count(os.replace))


def test_models_are_found_by_path_and_by_name(folder, tmp_path, monkeypatch):
    assert find(str(folder)) == folder
    monkeypatch.setattr(checkpoint, "shipped", tmp_path.joinpath)
    shutil.copytree(folder, tmp_path / "models" / "met2net-other")
    assert find("met2net-other") == tmp_path / "models" / "met2net-other"
    with pytest.raises(InputError, match=r"no model 'met2net-smal': .* shipped: met2net-other, persistence\."):
        find("met2net-smal")
