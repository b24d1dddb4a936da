"""Which tokens a row may look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import UnsupportedModel


def visible(rows: Tensor, width: int, window: int | None) -> Tensor:
    """Bool `[rows, width]`: what rows at the positions `rows` `[rows, 1]` may look at, of a text of `width` places."""
    place = torch.arange(width, device=rows.device)
    mask = place <= rows
    return mask if window is None else mask & (rows - place < window)


def by_layer_type(layer_types: Sequence[str] | None, window: int | None, build: Callable[[int | None], Tensor]) -> Any:
    """The mask that `build` makes for a window, or one for each layer type, as transformers' models take them."""
    if not layer_types:
        return build(window)
    known = {"full_attention": None, "sliding_attention": window}
    unknown = ", ".join(sorted(set(layer_types) - set(known)))
    if unknown:
        raise UnsupportedModel(f"Layers of the kind {unknown} cannot run over a paged KV cache.")
    masks = {kind: build(known[kind]) for kind in set(layer_types)}
    return masks if "sliding_attention" in masks else masks["full_attention"]
