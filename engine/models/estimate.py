"""How much memory a pair will take, before anything is loaded."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..config import MAX_DEPTH, EngineConfig
from ..devices import Device, pick_device, read_memory
from ..facts import PoolRule
from ..kv.blocks import BLOCK_SIZE
from .budget import pool_blocks, rule
from .facts import ModelFacts, read_facts
from .load import choose_dtype

WIDTH = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}
LAYER_ROWS = 12
"""Numbers as wide as the model that one row of a forward holds at once: what attention and the MLP keep."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes, of both models together."""

    weights: int
    kv: int
    """The pool that the engine will reserve: what was asked for, else as much context as a chat wants, less where
    memory is short."""
    workspace: int
    """Of the widest forward: a chunk of a long prompt."""
    free: int
    """On the device now; 0 when it does not say."""
    download: int
    dtype: str
    device: str
    loading: int = 0
    """Besides the weights while they are read: those that int8 weights are made from."""
    tokens: int = 0
    """That the pool has room for."""
    rule: PoolRule = "chats"
    """What decided that."""
    sure: bool = True
    """False for weights that are stored in a way whose size in memory only their library knows."""

    @property
    def total(self) -> int:
        """The most that is held at once."""
        return self.weights + max(self.kv + self.workspace, self.loading)

    @property
    def fits(self) -> bool | None:
        """None when the device does not say what is free."""
        return self.total <= self.free if self.free else None


def estimate(
    target: str | os.PathLike[str] | ModelFacts = "bundled",
    draft: str | os.PathLike[str] | ModelFacts | None = "auto",
    device: str | Device = "auto",
    dtype: str | None = None,
    *,
    kv_memory: int | None = None,
    max_context: int | None = None,
) -> Estimate:
    """What `Engine.load` with these will take, about. Reads configurations and headers only; a hub id that is not here
    is looked up on the hub. Raises HelixError."""
    if not isinstance(device, Device):
        device = pick_device(device)
    if draft == "auto":
        draft = "bundled" if target == "bundled" else None
    models = [target if isinstance(target, ModelFacts) else read_facts(target, "target")]
    if draft is not None:
        models.append(draft if isinstance(draft, ModelFacts) else read_facts(draft, "draft"))
    dtypes = [dtype if dtype not in (None, "auto") else _chosen(device, m) for m in models]
    pairs = list(zip(models, dtypes, strict=True))
    # Beside int8 weights the embedding stays as it is stored, and K and V are float32.
    weights = sum(
        m.parameters * WIDTH[d] + (m.hidden * m.vocab * WIDTH[m.stored] if d == "int8" else 0) for m, d in pairs
    )
    each = sum(m.kv_per_token * WIDTH["float32" if d == "int8" else d] for m, d in pairs) * BLOCK_SIZE
    context = min(models[0].context, max_context or models[0].usual or models[0].context)
    free = read_memory(device).free
    blocks = pool_blocks(max(each, 1), context, kv_memory, max(free - weights, 1) if free else 0)
    rows = EngineConfig().prefill_chunk
    return Estimate(
        weights=weights,
        kv=each * blocks,
        workspace=max(rows * m.hidden * LAYER_ROWS * 4 + (MAX_DEPTH + 1) * m.vocab * 4 for m in models),
        free=free,
        download=sum(m.download for m in models),
        dtype=dtypes[0],
        device=device.spec,
        loading=max((m.parameters * WIDTH[m.stored] for m, d in pairs if d == "int8"), default=0),
        tokens=blocks * BLOCK_SIZE,
        rule=rule(blocks, context, kv_memory),
        sure=not any(m.quantized for m in models),
    )


def _chosen(device: Device, model: ModelFacts) -> str:
    return str(choose_dtype(device, model.parameters, model.stored)).removeprefix("torch.")
