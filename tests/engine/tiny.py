"""Tiny random models in folders, and transformers' own answers for them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

from engine import Engine
from engine.config import Layout
from engine.kv.cache import layer_shapes
from engine.kv.pool import SlabStore
from engine.models import compressed
from engine.models.paged import PagedModel
from engine.models.selfcheck import _ways
from engine.models.w8a8 import is_w8a8

logging.disable_progress_bar()

VOCAB = 97
WINDOW = 6
LLAMA = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 160,
    "initializer_range": 0.2,
    "eos_token_id": None,
    "bos_token_id": None,
    "pad_token_id": None,
    "tie_word_embeddings": False,
}
GPT2 = {
    "vocab_size": VOCAB, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 160, "initializer_range": 0.2,
    "eos_token_id": None, "bos_token_id": None, "tie_word_embeddings": False,
}  # fmt: skip
MIXED = ["sliding_attention", "full_attention", "sliding_attention"]
"""Architectures by a name of ours: a model type, with `+window` where a sliding window is shorter than the texts."""
KINDS: dict[str, dict[str, Any]] = {
    "llama": LLAMA,
    "qwen2": LLAMA,
    "qwen3": {**LLAMA, "head_dim": 8},
    "mistral+window": {**LLAMA, "sliding_window": WINDOW},
    "gemma3_text": {
        **LLAMA, "head_dim": 8, "sliding_window": WINDOW, "query_pre_attn_scalar": 8, "layer_types": MIXED,
    },
    "gpt2": GPT2,
    "phi3": LLAMA,
    "gemma2": {**LLAMA, "head_dim": 8, "sliding_window": WINDOW, "query_pre_attn_scalar": 8, "layer_types": MIXED},
    "gpt_neox": {**LLAMA, "initializer_range": 0.4},
    "opt": {
        **LLAMA, "ffn_dim": 48, "word_embed_proj_dim": 32, "init_std": 0.2, "pad_token_id": 1,
    },
    "falcon": {**LLAMA, "initializer_range": 0.4, "alibi": False, "new_decoder_architecture": False},
}  # fmt: skip
EXTRA = ("gemma2", "gpt_neox", "opt", "falcon")
"""Beyond those that must run."""


def build(kind: str, *, seed: int = 0, **changes: Any) -> Any:
    """A random model of `kind` in float32."""
    torch.manual_seed(seed)
    config = AutoConfig.for_model(kind.split("+")[0], **{**KINDS[kind], **changes})
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


def nudge(model: Any, amount: float, seed: int = 1) -> Any:
    """Move every weight a little: a draft that is often right, not always."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.numel() == 1:
                continue  # One number has no spread.
            weight += amount * weight.std() * torch.randn(weight.shape, generator=generator)
    return model


def save(model: Any, folder: Path, **generation: Any) -> Path:
    model.save_pretrained(folder)
    if generation:
        (folder / "generation_config.json").write_text(json.dumps(generation))
    return folder


def load(folder: Path) -> Any:
    """As transformers itself would run it: its default attention, float32; W8A8 multiplied out."""
    if is_w8a8(json.loads((folder / "config.json").read_text())):
        return compressed.read(folder, torch.float32, keep=False, attention="sdpa").eval()
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def greedy(model: Any, prompt: list[int], count: int, **settings: Any) -> list[int]:
    """The tokens of transformers' own greedy `generate`."""
    out = model.generate(
        input_ids=torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        do_sample=False,
        temperature=None,
        top_p=None,
        top_k=None,
        max_new_tokens=count,
        **settings,
    )
    return out[0, len(prompt) :].tolist()


def logits(model: Any, tokens: list[int]) -> Tensor:
    """Of every position `[rows, vocab]`, computed at once without any cache."""
    with torch.no_grad():
        return model(input_ids=torch.tensor([tokens]), use_cache=False).logits[0]


def paged(kind: str, attention: str, blocks: int, kv: Layout = "slab") -> PagedModel:
    """A random model run in one certain way, its slabs filled with NaN: a stray read shows."""
    model = build(kind, attn_implementation="eager")
    ways = _ways(model, model.config.max_position_embeddings, layer_shapes(model), kv)
    way = next(w for w in ways if w.attention == attention and w.packs)
    chosen = way.paged(blocks)
    if isinstance(chosen.store, SlabStore):
        for slab in (*chosen.store.keys, *chosen.store.values):
            slab.fill_(float("nan"))
    return chosen


def prompt(length: int, seed: int, vocab: int = VOCAB) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, vocab, (length,), generator=generator).tolist()


def held(engine: Engine) -> int:
    """Blocks in both pools that some sequence still holds."""
    models = (engine._pair.target, engine._pair.draft)
    return sum(m.allocator.total - m.allocator.available for m in models if m is not None)


def block_bytes(engine: Engine) -> int:
    """Bytes of `kv_memory` for one block in every pool."""
    return engine.loaded.target_block_bytes + engine.loaded.draft_block_bytes


class Models:
    """Folders made when first asked for."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.target = cache(self._target)
        self.small = cache(self._small)
        self.near = cache(self._near)

    def _target(self, kind: str) -> Path:
        return save(build(kind), self._root / kind / "target")

    def _small(self, kind: str) -> Path:
        """A draft with one layer and other weights: nearly always wrong."""
        fewer = {"n_layer": 1} if kind == "gpt2" else {"num_hidden_layers": 1}
        if "layer_types" in KINDS[kind]:
            fewer["layer_types"] = MIXED[:1]
        return save(build(kind, seed=5, **fewer), self._root / kind / "small")

    def _near(self, kind: str) -> Path:
        """A draft that is a nudged copy of the target."""
        return save(nudge(build(kind), 0.04), self._root / kind / "near")
