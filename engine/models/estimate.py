"""How much memory a pair will take, before anything is loaded."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..config import MAX_DEPTH, EngineConfig
from ..devices import Device, list_devices, pick_device, read_memory
from ..kv.blocks import BLOCK_SIZE
from .facts import ModelFacts, read_facts
from .load import CHAT_TOKENS, SHARE, choose_dtype

WIDTH = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}
LAYER_ROWS = 12
"""Numbers as wide as the model that one row of a forward holds at once: what attention and the MLP keep."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes, of both models together."""

    weights: int
    kv: int
    """The pool that the engine will reserve: as much context as a chat wants, less where memory is short."""
    workspace: int
    """Of the widest forward: a chunk of a long prompt."""
    free: int
    """On the device now; 0 when it does not say."""
    download: int
    dtype: str
    device: str

    @property
    def total(self) -> int:
        return self.weights + self.kv + self.workspace

    @property
    def fits(self) -> bool | None:
        """None when the device does not say what is free."""
        return self.total <= self.free if self.free else None


def estimate(
    target: str | os.PathLike[str] | ModelFacts = "bundled",
    draft: str | os.PathLike[str] | ModelFacts | None = "auto",
    device: str = "auto",
    dtype: str | None = None,
) -> Estimate:
    """What `Engine.load` with these will take, about. Reads configurations and headers only; a hub id that is not here
    is looked up on the hub. Raises HelixError."""
    picked = list_devices()[0] if device == "auto" else pick_device(device)
    if draft == "auto":
        draft = "bundled" if target == "bundled" else None
    models = [target if isinstance(target, ModelFacts) else read_facts(target, "target")]
    if draft is not None:
        models.append(draft if isinstance(draft, ModelFacts) else read_facts(draft, "draft"))
    dtypes = [dtype if dtype not in (None, "auto") else _chosen(picked, m) for m in models]
    weights = sum(m.parameters * WIDTH[d] for m, d in zip(models, dtypes, strict=True))
    # K and V of an int8 model stay in the dtype of its file.
    each = sum(m.kv_per_token * WIDTH[m.stored if d == "int8" else d] for m, d in zip(models, dtypes, strict=True))
    context = models[0].context
    tokens = -(-min(max(CHAT_TOKENS, context), 8 * context) // BLOCK_SIZE) * BLOCK_SIZE
    free = read_memory(picked).free
    kv = each * tokens
    if free:
        kv = min(kv, max(free - weights, 0) // SHARE)
    rows = EngineConfig().prefill_chunk
    workspace = max(rows * m.hidden * LAYER_ROWS * 4 + (MAX_DEPTH + 1) * m.vocab * 4 for m in models)
    return Estimate(weights, kv, workspace, free, sum(m.download for m in models), dtypes[0], picked.spec)


def _chosen(device: Device, model: ModelFacts) -> str:
    return str(choose_dtype(device, model.parameters, model.stored)).removeprefix("torch.")
