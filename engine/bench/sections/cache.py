"""One decode step over the paged pool against transformers' DynamicCache, at several lengths of the past."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ...devices import torch_device
from ...kv import attention
from ...kv.blocks import BLOCK_SIZE
from ...kv.cache import layer_shapes
from ...models.fused import fuse
from ...models.paged import PagedModel, Span
from ..lab import Lab
from ..report import Row, compare
from ..shapes import SHAPES, build

LENGTHS = (256, 1024, 2048)
STEPS = 8
"""Decode steps in one run."""


def measure(lab: Lab) -> Iterator[Row]:
    shape = lab.shape or SHAPES["tiny" if lab.settings.quick else "tinyllama"]
    theirs = build(shape.layers, torch.float32, shape.spread, 0).to(torch_device(lab.pair.device))
    ours = build(shape.layers, torch.float32, shape.spread, 0).to(torch_device(lab.pair.device))
    ours.set_attn_implementation(attention.NAME)
    theirs.set_attn_implementation("sdpa")
    context = shape.layers["max_position_embeddings"]
    shapes = layer_shapes(theirs)
    blocks = (max(LENGTHS) + STEPS) // BLOCK_SIZE + 2
    decoder = fuse(ours, context)
    assert decoder is not None, "a Llama"
    # Two models of the same weights: `fuse` moves the first one's, and each keeps its own way of attending.
    theirs.load_state_dict(ours.state_dict(), assign=True)
    paged = PagedModel(ours, shapes, blocks, "paged")
    fused = PagedModel(ours, shapes, blocks, "fused", fused=decoder)
    config = shape.layers
    about = f"{config['num_hidden_layers']} layers, {config['hidden_size']:,} wide, float32"
    for length in LENGTHS:
        ids = torch.randint(0, config["vocab_size"], (length,), generator=torch.Generator().manual_seed(1))
        ids = ids.to(ours.device)
        runs = [_Paged(model, ids, lab) for model in (paged, fused)]
        dynamic = _Dynamic(theirs, ids, lab)
        error = max(float((run.logits() - dynamic.logits()).norm() / dynamic.logits().norm()) for run in runs)
        arms = {"paged": runs[0].seconds, "fused": runs[1].seconds, "dynamic": dynamic.seconds}
        found = {n: [s * 1e3 for s in seconds] for n, seconds in lab.interleave(arms).items()}
        note = f"{about}; logits equal to {error:.0e}"
        yield compare(f"{length:,} tokens, transformers' decoder", "ms", found["paged"], found["dynamic"], note)
        yield compare(f"{length:,} tokens, Helix's decoder", "ms", found["fused"], found["dynamic"])
        for run in runs:
            run.table.release()


class _Paged:
    """A past in a pool."""

    def __init__(self, model: PagedModel, ids: Tensor, lab: Lab) -> None:
        self._model, self._lab = model, lab
        self._new = ids[:1]
        self.table = model.table()
        model.forward([Span(self.table, ids, 1)])

    def logits(self) -> Tensor:
        """Of one more token, which is then forgotten."""
        logits = self._model.forward([Span(self.table, self._new, 1)])[0]
        self.table.rollback(self.table.length - 1)
        return logits

    def seconds(self) -> float:
        """Of the middle one of some steps, each with one more token."""
        length = self.table.length
        seconds = _middle(partial(self._model.forward, [Span(self.table, self._new, 1)]), self._lab)
        self.table.rollback(length)
        return seconds


class _Dynamic:
    """The same past in transformers' cache."""

    def __init__(self, model: Any, ids: Tensor, lab: Lab) -> None:
        from transformers import DynamicCache

        self._model, self._lab = model, lab
        self._new = ids[None, :1]
        self._cache = DynamicCache(config=model.config)
        with torch.no_grad():
            model(input_ids=ids[None], past_key_values=self._cache, use_cache=True, logits_to_keep=1)

    def logits(self) -> Tensor:
        logits: Tensor = self._step()[0, -1]
        self._cache.crop(-1)
        return logits

    def seconds(self) -> float:
        seconds = _middle(self._step, self._lab)
        self._cache.crop(-STEPS)
        return seconds

    def _step(self) -> Any:
        with torch.no_grad():
            return self._model(input_ids=self._new, past_key_values=self._cache, use_cache=True).logits


def _middle(step: Any, lab: Lab) -> float:
    times = []
    for _ in range(STEPS):
        start = time.perf_counter()
        step()
        lab.wait()
        times.append(time.perf_counter() - start)
    return sorted(times)[STEPS // 2]
