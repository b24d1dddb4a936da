"""Trust nothing: before a model is used over the paged pool, its logits there are held against its own, unpaged.

A wrong mask, a cache layer that is not what it seems or a device that miscounts shows here as a clear refusal,
not as text that is subtly off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..config import Layout
from ..errors import UnsupportedModel
from ..kv import attention as paged
from ..kv.cache import layer_shapes
from ..kv.pool import LayerShape
from ..shortage import is_out_of_memory
from .fused import FusedDecoder, fuse
from .int8_kernels import Kernel
from .int8_modules import put_back, replace_linears, why_not
from .paged import Attention, PagedModel, Span
from .stateful import NOMINAL, StatefulModel, stored_shapes

TOLERANCE = {torch.float32: 1e-3}
HALF_TOLERANCE = 0.1
"""Relative error (L2) of bfloat16 and float16 logits; a wrong mask gives 0.5 and more."""
INT8_TOLERANCE = 0.25
"""Of int8 logits. Rounding gives 0.02 to 0.1; a CPU whose 16-bit sums overflow, garbage."""
CHECK_BLOCKS = 8


@dataclass(frozen=True, slots=True)
class Attached:
    """A model and the way to run it that was found right."""

    model: Any
    attention: Attention
    packs: bool
    """Whether several sequences may share a forward."""
    fused: FusedDecoder | None
    shapes: list[LayerShape]
    parameters: int
    int8: bool = False
    stateful: bool = False
    """It keeps a state that cannot be rolled back: nothing may be drafted for it."""
    no_int8: str | None = None
    """Why it is not in int8 although that was asked for."""
    kv: Layout = "slab"

    @property
    def kv_dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.fused.dtype if self.fused else self.model.dtype
        return dtype

    def paged(self, blocks: int, *, remember: bool = True, exact: bool = False) -> PagedModel:
        """Over a pool of its own."""
        if self.stateful:
            return StatefulModel(self.model, self.shapes, blocks, parameters=self.parameters)
        return PagedModel(
            self.model,
            self.shapes,
            blocks,
            self.attention,
            parameters=self.parameters,
            packs=self.packs,
            fused=self.fused,
            remember=remember,
            exact=exact,
            kv=self.kv,
        )


def attach(model: Any, context: int, *, int8: Kernel | None = None, kv: Layout = "slab") -> Attached:
    """The fastest way to run `model` (loaded with eager attention) that is right over paged KV.

    `context` is how many tokens it will see at most. With `int8` its linears are quantised where that is sound;
    `Attached.int8` says whether they were. Raises UnsupportedModel when no way is right.
    """
    shapes = layer_shapes(model)
    wanted = _reference(model)
    attached = _float(model, context, shapes, wanted, kv)
    if int8 is None:
        return attached
    if kv == "blocks":
        return replace(attached, no_int8="its KV lives in blocks")
    if attached.fused is None:
        return _replaced(attached, int8, wanted)
    return _quantized(attached, attached.fused, int8, wanted)


def attach_stateful(model: Any, refusal: UnsupportedModel) -> Attached:
    """What `attach` refused, over a state of its own for each text. Raises `refusal` if that is not right either."""
    try:
        parameters = sum(p.numel() for p in model.parameters())
        attached = Attached(model, "state", False, None, NOMINAL, parameters, stateful=True)
        got, wanted = _paged(attached.paged(CHECK_BLOCKS)), _reference(model)
        attached = replace(attached, shapes=stored_shapes(model))
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise refusal from error
    if not all(_agree(a, b) for a, b in zip(got, wanted, strict=True)):
        raise refusal
    return attached


def _replaced(attached: Attached, kernel: Kernel, wanted: list[Tensor]) -> Attached:
    """The same model with int8 linears within, if it is as good as its float self."""
    model = attached.model
    reason = why_not(model)
    if reason is None:
        linears = replace_linears(model, kernel)
        quantized = replace(attached, int8=True)
        reason = _int8_fails(quantized, wanted)
        if reason is None:
            return quantized
        put_back(model, linears)
    return replace(attached, no_int8=reason)


def _int8_fails(quantized: Attached, wanted: list[Tensor]) -> str | None:
    try:
        got = _paged(quantized.paged(CHECK_BLOCKS))
    except Exception as error:
        if is_out_of_memory(error):
            raise  # Its float self would need more.
        return (str(error).splitlines() or [type(error).__name__])[0][:160]
    right = all(_agree(a, b, INT8_TOLERANCE) for a, b in zip(got, wanted, strict=True))
    return None if right else "int8 gives wrong numbers for it on this CPU"


def _quantized(attached: Attached, fused: FusedDecoder, kernel: Kernel, wanted: list[Tensor]) -> Attached:
    """The same model in int8, its float weights given back."""
    quantized = replace(attached, fused=fused.quantized(kernel), int8=True)
    reason = _int8_fails(quantized, wanted)
    if reason is not None:
        return replace(attached, no_int8=reason)
    for linear in (m for m in attached.model.modules() if isinstance(m, nn.Linear)):
        if linear.weight is not attached.model.get_input_embeddings().weight:
            linear.weight.data = linear.weight.data.new_empty(0)
    return quantized


def _float(model: Any, context: int, shapes: list[LayerShape], wanted: list[Tensor], kv: Layout) -> Attached:
    reason = "its logits differ from those without paging"
    for attached in _ways(model, context, shapes, kv):
        try:
            got = (
                _windowed(attached, context) if attached.attention == "paged" else _paged(attached.paged(CHECK_BLOCKS))
            )
        except Exception as error:
            if is_out_of_memory(error):
                raise  # Another way would need as much.
            reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
            continue
        if all(_agree(a, b) for a, b in zip(got, wanted, strict=True)):
            return attached
    kind = getattr(model.config, "model_type", "this model")
    raise UnsupportedModel(f"{kind} cannot run over a paged KV cache ({reason}); choose another model.")


def _windowed(attached: Attached, context: int) -> list[Tensor]:
    """`_paged` for attention that makes its own masks: it must be told of every window that the model has.

    Some models put a window into their mask alone; the texts here are mostly too short to show it.
    """
    told: set[int] = set()
    masked: set[int] = set()
    tokens = paged.told.set(told), paged.masked.set(masked)
    try:
        logits = _paged(attached.paged(CHECK_BLOCKS))
    finally:
        paged.told.reset(tokens[0])
        paged.masked.reset(tokens[1])
    if any(size < context for size in masked - told):
        raise UnsupportedModel("its layers are not told of their window")
    return logits


def _ways(model: Any, context: int, shapes: list[LayerShape], kv: Layout = "slab") -> Iterator[Attached]:
    """What to try, fastest first."""
    parameters = sum(p.numel() for p in model.parameters())
    fused = fuse(model, context, apart=kv == "blocks")
    if fused is not None:
        yield Attached(model, "fused", True, fused, shapes, parameters, kv=kv)
    names: tuple[Attention, ...] = ("paged", "sdpa", "eager") if kv == "slab" else ("paged", "eager")
    for name in names:
        try:
            model.set_attn_implementation(paged.NAME if name == "paged" else name)
        except ValueError:
            continue  # This architecture does not know it.
        for packs in (True, False):
            yield Attached(model, name, packs, None, shapes, parameters, kv=kv)


def _texts(vocab: int) -> list[list[int]]:
    """Two token sequences, the same at every load."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(0, vocab, (n,), generator=generator).tolist() for n in (21, 18)]


def _reference(model: Any) -> list[Tensor]:
    """Last-row logits `[vocab]` of both texts, without any cache."""
    texts = _texts(model.config.get_text_config().vocab_size)
    with torch.no_grad():
        return [model(input_ids=torch.tensor([t]).to(model.device), use_cache=False).logits[0, -1] for t in texts]


def _paged(model: PagedModel) -> list[Tensor]:
    """The same through the pool: in pieces, together, with a rollback, across block borders."""
    first, second = _texts(model.vocab)
    a, b = model.table(), model.table()
    ids = [torch.tensor(t) for t in (first, second)]
    model.forward([Span(a, ids[0][:15], 1), Span(b, ids[1][:3], 1)])
    model.forward([Span(b, ids[1][3:17], 1), Span(a, ids[0].flip(0)[:4], 1)])
    a.rollback(15)
    return list(model.forward([Span(a, ids[0][15:], 1), Span(b, ids[1][17:], 1)]))


def _agree(got: Tensor, wanted: Tensor, tolerance: float | None = None) -> bool:
    if tolerance is None:
        tolerance = TOLERANCE.get(wanted.dtype, HALF_TOLERANCE)
    got, wanted = got.cpu().float(), wanted.cpu().float()
    error = (got - wanted).norm() / wanted.norm().clamp(min=1e-6)
    return bool(error < tolerance)
