"""Settings: what is given comes first, then the weights, the preset and the defaults; contradictions are refused."""

from __future__ import annotations

import pytest

from typhoon_tracker.errors import InputError
from typhoon_tracker.training.settings import PRESETS, parse_network, resolve
from typhoon_tracker.training.two_stage import PAPER, RELEASED, Momentum

WEIGHTS = {"architecture": "met2net", "target": "tendency", "network": {"layers": 4, "frames_out": 12}}


def test_the_presets_are_those_of_the_paper_and_the_release():
    paper, released = (resolve({}, preset=name) for name in ("paper", "released"))
    assert Momentum(*paper.momentum) == PAPER
    assert Momentum(*released.momentum) == RELEASED
    assert (paper.epochs, released.epochs) == (50, 200)
    for one in (paper, released):
        assert (one.steps, one.batch_size, one.precision, one.schedule, one.seed) == (None, 16, "32-true", "cosine", 42)
        assert (one.objective, one.target, one.ema, one.learning_rate) == ("two-stage", "state", 0.0, 5e-4)
        assert one.network == {"spatial_channels": 32, "temporal_channels": 256, "layers": 8}


def test_what_is_given_overrides_a_preset():
    chosen = resolve({"steps": 10, "seed": 3, "network": {"layers": 2}, "momentum": (0.5, 0.6)}, preset="released")
    assert (chosen.steps, chosen.epochs, chosen.seed, chosen.momentum) == (10, None, 3, (0.5, 0.6))
    assert chosen.network == {**PRESETS["released"]["network"], "layers": 2}
    pixels = resolve({"objective": "end-to-end"}, preset="paper")
    assert pixels.momentum is None
    assert (pixels.ema, pixels.clip) == (0.99, 1.0)


def test_weights_bring_their_network_and_target():
    chosen = resolve({"network": {"layers": 4}}, weights=WEIGHTS)
    assert (chosen.network, chosen.target) == (WEIGHTS["network"], "tendency")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"network": {"frames_out": 6}}, "have frames_out = 12, not 6"),
        ({"network": {"heads": 2}}, "have heads = no such setting, not 2"),
        ({"target": "state"}, "have target = tendency, not state"),
        ({"architecture": "tau"}, "have architecture = met2net, not tau"),
        ({"objective": "two-stage"}, "target 'tendency' does not allow"),
    ],
)
def test_what_the_weights_to_start_from_cannot_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        resolve(given, weights=WEIGHTS)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"steps": 3, "epochs": 2}, "--steps 3 and --epochs 2 both say how long"),
        ({"objective": "two-stage"}, "target 'tendency' does not allow; give --target state"),
        ({"objective": "two-stage", "target": "state", "architecture": "tau"}, "train tau with --objective end-to-end"),
        ({"objective": "two-stage", "target": "state", "ema": 0.9}, "--ema 0.9 is for --objective end-to-end"),
        ({"momentum": (0.1, 0.2)}, "--momentum is for --objective two-stage"),
        ({"ema": 1.0}, "--ema 1.0 is outside 0 to 1"),
        ({"objective": "two-stage", "target": "state", "momentum": (0.9, -0.1)}, "--momentum -0.1 is outside"),
        ({"learning_rate": 0.0}, "--learning-rate 0.0 is not positive"),
        ({"learning_rate": float("nan")}, "--learning-rate nan is not positive"),
        ({"clip": -1.0}, "--clip -1.0 is negative"),
    ],
)
def test_contradictions_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        resolve(given)


def test_network_settings_are_numbers_lists_switches_and_names():
    pairs = ["layers=4", "drop-path=0.5", "groups=[1,2,1]", "attention=false", "block=tau"]
    expected = {"layers": 4, "drop_path": 0.5, "groups": [1, 2, 1], "attention": False, "block": "tau"}
    assert parse_network(pairs) == expected
    for wrong in ("layers", "=4", "layers="):
        with pytest.raises(InputError, match=f"--network '{wrong}' is no setting; give NAME=VALUE"):
            parse_network([wrong])
