"""Trust nothing: before a model is used over the paged pool, its logits there are held against its own, unpaged.

A wrong mask, a cache layer that is not what it seems or a device that miscounts shows here as a clear refusal,
not as text that is subtly off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import UnsupportedModel
from ..kv import attention as paged
from ..kv.cache import layer_shapes
from ..kv.pool import LayerShape
from .paged import Attention, PagedModel, Span

TOLERANCE = {torch.float32: 1e-3}
HALF_TOLERANCE = 0.1
"""Relative error (L2) of bfloat16 and float16 logits; a wrong mask gives 0.5 and more."""


def attach(model: Any) -> tuple[Attention, bool, list[LayerShape]]:
    """Switch `model` (loaded with eager attention) to the fastest attention that is right over paged KV.

    Returns its name, whether several sequences may share a forward, and the shape of its KV.
    Raises UnsupportedModel when none is right.
    """
    shapes = layer_shapes(model)
    wanted = _reference(model)
    reason = "no attention gave the same logits as without paging"
    choices: tuple[Attention, ...] = ("paged", "sdpa", "eager")
    for name in choices:
        for packs in (True, False):
            try:
                model.set_attn_implementation(paged.NAME if name == "paged" else name)
                checked = PagedModel(model, shapes, 8, name, packs=packs)
                if all(_agree(a, b) for a, b in zip(_paged(checked), wanted, strict=True)):
                    return name, packs, shapes
            except Exception as error:
                reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
    kind = getattr(model.config, "model_type", "this model")
    raise UnsupportedModel(f"{kind} cannot run over a paged KV cache ({reason}); choose another model.")


def _texts(vocab: int) -> list[list[int]]:
    """Two token sequences, the same at every load."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(0, vocab, (n,), generator=generator).tolist() for n in (21, 18)]


def _ids(model: Any, tokens: Sequence[int]) -> Tensor:
    return torch.tensor(tokens, dtype=torch.long, device=model.device)


def _reference(model: Any) -> list[Tensor]:
    """Last-row logits `[vocab]` of both texts, without any cache."""
    texts = _texts(model.config.get_text_config().vocab_size)
    with torch.no_grad():
        return [model(input_ids=_ids(model, t)[None], use_cache=False).logits[0, -1] for t in texts]


def _paged(model: PagedModel) -> list[Tensor]:
    """The same through the pool: in pieces, together, with a rollback, across block borders."""
    first, second = _texts(model.vocab)
    a, b = model.table(), model.table()
    ids = [_ids(model.model, t) for t in (first, second)]
    model.forward([Span(a, ids[0][:15], 1), Span(b, ids[1][:3], 1)])
    model.forward([Span(b, ids[1][3:17], 1), Span(a, ids[0].flip(0)[:4], 1)])
    a.rollback(15)
    logits = model.forward([Span(a, ids[0][15:], 1), Span(b, ids[1][17:], 1)])
    return list(logits)


def _agree(got: Tensor, wanted: Tensor) -> bool:
    tolerance = TOLERANCE.get(wanted.dtype, HALF_TOLERANCE)
    error = (got.float() - wanted.float()).norm() / wanted.float().norm().clamp(min=1e-6)
    return bool(error < tolerance)
