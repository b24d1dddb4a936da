"""Attention spelled out, with its softmax in float32: for devices without a fused one to trust."""

from __future__ import annotations

import torch
from torch import Tensor

from .padded import PaddedPack


def attend(
    pack: PaddedPack, layer: int, query: Tensor, scale: float, softcap: float | None, window: int | None
) -> Tensor:
    """As `attention.attend`: query `[heads, rows, dim]` to `[heads, rows, value_dim]`."""
    parts = []
    row = 0
    for number, part in enumerate(pack.segments):
        keys, values = pack.store.read(layer, part.blocks, part.width)
        rows = query[:, row : row + part.padded] * scale
        parts.append(_attend(rows, keys, values, pack.mask(number, window), softcap))
        row += part.padded
    if pack.padding:
        parts.append(parts[0].new_zeros(query.shape[0], pack.padding, parts[0].shape[-1]))
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def _attend(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor, softcap: float | None) -> Tensor:
    """One sequence: scaled query `[heads, rows, dim]`, keys and values `[kv_heads, width, dim]`, mask `[rows, width]`.

    Query heads that share a KV head are rows of one product, so nothing is repeated and no tensor has over four axes.
    """
    heads, rows, dim = query.shape
    kv_heads, width, value_dim = values.shape
    folded = query.reshape(kv_heads, heads // kv_heads * rows, dim)
    scores = torch.bmm(folded, keys.transpose(1, 2)).float().view(kv_heads, heads // kv_heads, rows, width)
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    weights = (scores + mask).softmax(-1).to(values.dtype)
    return torch.bmm(weights.view(kv_heads, -1, width), values).view(heads, rows, value_dim)
