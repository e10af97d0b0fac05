"""The two-stage training step against the textbook's, time and memory:

pytest tests/benchmarks/test_training_speed.py --benchmark-enable

The steps take turns, so that a busy machine slows them alike; the peak memory is that of a fresh process each. Without
--benchmark-enable a small network takes two steps, to show that all agree.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.benchmarks.plain_met2net import PlainMet2Net
from tests.benchmarks.plain_two_stage import PlainTwoStage
from typhoon_tracker.nets.met2net import Met2Net, Met2NetConfig
from typhoon_tracker.training.two_stage import RELEASED, TwoStage

ROOT = Path(__file__).resolve().parents[2]
SIZES = {  # config, side of the grid, batch, timed steps
    "small": (Met2NetConfig(spatial_channels=4, temporal_channels=16, layers=1), 16, 2, 1),
    "12 frames, S 16, D 128, 4 layers, 64 x 64, batch 8": (
        Met2NetConfig(spatial_channels=16, temporal_channels=128, layers=4),
        64,
        8,
        5,
    ),
    "the paper's: 12 frames, S 32, D 256, 8 layers, 128 x 128, batch 1": (Met2NetConfig(), 128, 1, 2),
}
KINDS = ["plain fp32", "plain bf16", "package fp32", "package bf16"]
TOLERANCE = {"fp32": 1e-4, "bf16": 0.02}  # of the losses, relative


class Step:
    """A training with its optimiser and its batch."""

    def __init__(self, kind: str, size: str) -> None:
        config, side, batch, _ = SIZES[size]
        network, self.precision = kind.split()
        torch.manual_seed(0)
        net = Met2Net(config)
        if network == "plain":
            plain = PlainMet2Net(config)
            plain.load_state_dict(net.state_dict())
        self.training = (PlainTwoStage(plain, RELEASED) if network == "plain" else TwoStage(net, RELEASED)).train()
        self.optimizer = torch.optim.Adam(self.training.net.parameters(), lr=5e-4)
        torch.manual_seed(1)
        self.x, self.y = torch.randn(2, batch, config.frames_in, config.variables, side, side).unbind(0)
        self.seed = 0

    def __call__(self) -> torch.Tensor:
        """Take a step and return its two losses; the dice of stochastic depth are those of the step's number."""
        torch.manual_seed(self.seed)
        self.seed += 1
        self.optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16"):
            losses = self.training.losses(self.x, self.y)
        losses.total.backward()
        self.optimizer.step()
        self.training.update()
        return torch.stack([losses.reconstruction, losses.latent]).detach()


def check(steps: dict[str, Step]) -> None:
    """Take two steps of each kind and assert that the losses are those of the plain one in float32."""
    expected = [steps["plain fp32"]() for _ in range(2)]
    for kind in KINDS[1:]:
        found = [steps[kind]() for _ in range(2)]
        torch.testing.assert_close(found, expected, rtol=TOLERANCE[kind.split()[1]], atol=0.0)


def test_small_steps_agree() -> None:
    check({kind: Step(kind, "small") for kind in KINDS})


@pytest.mark.parametrize("size", list(SIZES)[1:])
def test_time_and_memory_of_a_step(request, capsys, size) -> None:
    """Print seconds a step (medians) and peak memory, with their ratios to the plain step's in float32."""
    if not request.config.getoption("benchmark_enable"):
        pytest.skip("a measurement: --benchmark-enable")
    memory = {kind: _memory_in_a_process(kind, size) for kind in KINDS}
    steps = {kind: Step(kind, size) for kind in KINDS}
    check(steps)
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(SIZES[size][-1]):
        for kind, step in steps.items():
            began = time.perf_counter()
            step()
            seconds[kind].append(time.perf_counter() - began)
    with capsys.disabled():
        print(f"\n{size}, {torch.get_num_threads()} threads")
        for kind in KINDS:
            median, leaner = statistics.median(seconds[kind]), memory[kind] / memory[KINDS[0]]
            faster = statistics.median(a / b for a, b in zip(seconds[KINDS[0]], seconds[kind], strict=True))
            print(
                f"  {kind:13} {median:7.3f} s a step, {faster:5.2f} times as fast; "
                f"{memory[kind]:6.0f} MiB, {leaner:4.2f} of the memory"
            )


def _memory_in_a_process(kind: str, size: str) -> float:
    code = f"from {__name__} import memory; print(memory({kind!r}, {size!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


def memory(kind: str, size: str) -> float:
    """Return by how much two steps raise the peak of the resident memory, MiB."""
    before = _peak()
    step = Step(kind, size)
    step()
    step()
    return (_peak() - before) / 1024


def _peak() -> int:
    """KiB; ru_maxrss would begin with that of the process that started this one."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])  # type: ignore[index]
