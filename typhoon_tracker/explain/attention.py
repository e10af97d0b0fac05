"""The weights with which the variables attend to one another, read out of the translator while it forecasts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from typhoon_tracker.errors import InputError
from typhoon_tracker.explain.model import Explained
from typhoon_tracker.nets.blocks import VariableAttention
from typhoon_tracker.nets.met2net import Met2Net


def check_attends(explained: Explained) -> None:
    """Raise InputError where the network's variables cannot attend to one another."""
    if not explained.net.config.attention:
        raise InputError(f"{explained.name} was built without attention between variables: it has no weights to show.")
    if len(explained.tokens) < 2:
        raise InputError(
            f"{explained.name} has the single token {explained.tokens[0]}, which can only attend to itself."
        )


@torch.inference_mode()
def attention_weights(net: Met2Net, x: Tensor) -> Tensor:
    """Return the attention weights (layers, B, heads, N, N) of a forecast from normalised frames x (B, T, N, H, W).

    softmax(Q K^T / sqrt(feature length)): a row, which sums to one, is a variable that is updated, a column one that it
    looks at.
    """
    with _recorded(net.translator.layers) as weights:
        net.translator(net.encode(x))
    return torch.stack(weights)


@contextmanager
def _recorded(layers: nn.Sequential) -> Iterator[list[Tensor]]:
    """Collect the weights (B, heads, N, N) of every layer that runs inside the block."""
    weights: list[Tensor] = []

    def record(module: nn.Module, given: tuple[Tensor], output: Tensor) -> None:
        assert isinstance(module, VariableAttention)
        weights.append(_weights(module, given[0]))

    found = [module for module in layers.modules() if isinstance(module, VariableAttention)]
    handles = [module.register_forward_hook(record) for module in found]
    try:
        yield weights
    finally:
        for handle in handles:
            handle.remove()


def _weights(attention: VariableAttention, x: Tensor) -> Tensor:
    flat = x.flatten(0, 1)  # (B*N, D, h, w)
    q, k = (_tokens(project(flat), x.shape[:2], attention.heads) for project in (attention.query, attention.key))
    return torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), dim=-1)


def _tokens(y: Tensor, size: torch.Size, heads: int) -> Tensor:
    """Return y (B*N, D, h, w) as tokens (B, heads, N, D/heads * h * w)."""
    return y.unflatten(0, size).unflatten(2, (heads, -1)).transpose(1, 2).flatten(3)
