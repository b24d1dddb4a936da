"""Every architecture that the conformance test builds, and the table it holds true: `python tests/engine/zoo.py`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tiny
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from engine.kv.cache import layer_shapes
from engine.models.paged import PagedModel, Span
from engine.models.selfcheck import Attached, _agree, _paged, _reference, _ways

TABLE = Path(__file__).resolve().parents[2] / "engine" / "ARCHITECTURES.md"
HEAD = {"head_dim": 8}
WINDOW = {"sliding_window": tiny.WINDOW}
MIXED = {"layer_types": tiny.MIXED, **WINDOW}
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
LATENT = {
    "kv_lora_rank": 16, "q_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8,
    "n_routed_experts": 4, "num_experts_per_tok": 2, "n_shared_experts": 1, "moe_intermediate_size": 16,
    "num_key_value_heads": 4, "n_group": 1, "topk_group": 1,
}  # fmt: skip
QWEN_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
OWN = "own"
"""Marks settings that replace the common ones instead of joining them."""

ZOO: dict[str, dict[str, Any]] = {
    "apertus": {},
    "arcee": {},
    "biogpt": {},
    "codegen": {**tiny.GPT2, "rotary_dim": 4, OWN: True},
    "cohere": {},
    "cohere2": MIXED,
    "ctrl": {
        "n_embd": 32, "dff": 48, "n_layer": 2, "n_head": 4, "n_positions": 160, "vocab_size": tiny.VOCAB, OWN: True,
    },
    "deepseek_v2": {**LATENT, "topk_method": "greedy"},
    "deepseek_v3": LATENT,
    "diffllama": {},
    "doge": {},
    "ernie4_5": HEAD,
    "exaone4": MIXED,
    "falcon": {"alibi": False, "new_decoder_architecture": False},
    "flex_olmo": {"num_experts": 4, "num_experts_per_tok": 2},
    "gemma": HEAD,
    "gemma2": {**HEAD, **MIXED, "query_pre_attn_scalar": 8},
    "gemma3_text": {**HEAD, **MIXED, "query_pre_attn_scalar": 8},
    "glm": HEAD,
    "glm4": HEAD,
    "glm4_moe": {
        **HEAD, "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "n_group": 1,
        "topk_group": 1, "n_shared_experts": 1,
    },
    "gpt2": {**tiny.GPT2, OWN: True},
    "gpt_bigcode": {**tiny.GPT2, OWN: True},
    "gpt_neox": {"initializer_range": 0.4},
    "gpt_neox_japanese": {},
    "gpt_oss": {**HEAD, **MIXED, **EXPERTS},
    "gptj": {**tiny.GPT2, "rotary_dim": 4, OWN: True},
    "granite": {},
    "granitemoe": EXPERTS,
    "granitemoeshared": EXPERTS,
    "helium": HEAD,
    "hunyuan_v1_dense": HEAD,
    "hyperclovax": {},
    "internlm3": HEAD,
    "jais2": {},
    "jetmoe": {**EXPERTS, "kv_channels": 8},
    "llama": {},
    "llama4_text": {**HEAD, "num_local_experts": 2, "intermediate_size_mlp": 48},
    "ministral": {**HEAD, **MIXED},
    "ministral3": HEAD,
    "mistral": WINDOW,
    "mixtral": EXPERTS,
    "mpt": {
        "d_model": 32, "n_heads": 4, "n_layers": 2, "max_seq_len": 160, "vocab_size": tiny.VOCAB,
        "initializer_range": 0.4, OWN: True,
    },
    "nanochat": {},
    "nemotron": {},
    "olmo": {},
    "olmo2": {},
    "olmo3": MIXED,
    "olmoe": {"num_experts": 4, "num_experts_per_tok": 2},
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32, "init_std": 0.2, "pad_token_id": 1},
    "persimmon": {},
    "phi": {},
    "phi3": WINDOW,
    "phimoe": EXPERTS,
    "qwen2": {"use_sliding_window": True, **MIXED},
    "qwen2_moe": {**QWEN_EXPERTS, "shared_expert_intermediate_size": 16},
    "qwen3": HEAD,
    "qwen3_moe": {**QWEN_EXPERTS, **HEAD},
    "seed_oss": HEAD,
    "smollm3": {},
    "stablelm": {},
    "starcoder2": WINDOW,
    "vaultgemma": {**HEAD, **MIXED, "query_pre_attn_scalar": 8},
    "xglm": {"d_model": 32, "ffn_dim": 48, "num_layers": 2, "attention_heads": 4, "vocab_size": tiny.VOCAB},
}  # fmt: skip
SCAN = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8}
LINEAR = {
    **HEAD, "layer_types": ["linear_attention", "full_attention", "linear_attention"], "linear_num_key_heads": 2,
    "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
}  # fmt: skip
STATEFUL: dict[str, dict[str, Any]] = {
    "bamba": {**SCAN, "attn_layer_indices": [1], "mamba_expand": 2},
    "bloom": {
        "hidden_size": 32, "n_layer": 2, "n_head": 4, "vocab_size": tiny.VOCAB, "initializer_range": 0.4, OWN: True,
    },
    "falcon_h1": {**SCAN, "mamba_d_ssm": 32, "mamba_n_heads": 4},
    "falcon_mamba": {},
    "jamba": {"num_experts": 2, "attn_layer_period": 2, "attn_layer_offset": 1, "use_mamba_kernels": False},
    "lfm2": {"layer_types": ["conv", "full_attention", "conv"], "block_auto_adjust_ff_dim": False},
    "mamba": {},
    "mamba2": {"num_heads": 8, "head_dim": 8, "state_size": 8, "n_groups": 1, "expand": 2},
    "qwen3_5_text": LINEAR,
    "qwen3_next": {**LINEAR, **QWEN_EXPERTS, "shared_expert_intermediate_size": 16},
    "rwkv": {"attention_hidden_size": 32},
    "zamba2": {
        "layers_block_type": ["mamba", "hybrid", "mamba"], "hybrid_layer_ids": [1], "mamba_d_state": 8,
        "n_mamba_heads": 8, "mamba_headdim": 8, "mamba_ngroups": 1, "use_mamba_kernels": False,
        "attention_head_dim": 16,
    },
}  # fmt: skip
"""Linear attention, state spaces, hybrids and others that cannot run over a paged cache: without speculation."""
REFUSED: dict[str, dict[str, Any]] = {
    "bert": {},
    "openai-gpt": {**tiny.GPT2, OWN: True},
    "recurrent_gemma": {
        "lru_width": 32, "block_types": ["recurrent", "recurrent", "attention"], "attention_window_size": 16,
    },
    "xlm": {"emb_dim": 32, "n_heads": 4, "n_layers": 2, "n_words": tiny.VOCAB, OWN: True},
}  # fmt: skip
"""Encoders and others that can run neither way: refused with a reason."""


@dataclass(frozen=True, slots=True)
class Kind:
    """An architecture by its `model_type`."""

    name: str

    def build(self, *, seed: int = 0) -> Any:
        """A random model in float32, so small that a test can afford it."""
        settings = dict((ZOO | STATEFUL | REFUSED)[self.name])
        settings = settings if settings.pop(OWN, False) else {**tiny.LLAMA, **settings}
        torch.manual_seed(seed)
        config = AutoConfig.for_model(self.name, **settings)
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager").eval()

    @property
    def window(self) -> bool:
        return "sliding_window" in ZOO[self.name]


def ways(model: Any) -> Iterator[Attached]:
    """Every way to run it over paged KV whose logits pass the check at load; each holds until the next is asked for."""
    wanted = _reference(model)
    for way in _ways(model, 160, layer_shapes(model)):
        try:
            got = _paged(way.paged(8))
        except Exception:
            continue
        if all(_agree(a, b) for a, b in zip(got, wanted, strict=True)):
            yield way


def decode(paged: PagedModel, prompts: list[list[int]], wanted: list[list[int]]) -> list[list[int]]:
    """Greedy tokens of texts of different lengths in one pack: two guesses a step, taken back where they are wrong.

    Right guesses (out of `wanted`) and wrong ones take turns.
    """
    count = len(wanted[0])
    tables = [paged.table() for _ in prompts]
    texts = [list(prompt) for prompt in prompts]
    while any(len(text) < len(prompt) + count for text, prompt in zip(texts, prompts, strict=True)):
        new = []
        for text, prompt, table, reply in zip(texts, prompts, tables, wanted, strict=True):
            right = [*reply[len(text) - len(prompt) :], 0, 0][:2]
            guesses = right if len(text) % 2 else [right[0], (right[1] + 1) % paged.vocab]
            new.append([*text[table.length :], *guesses])
        spans = [Span(table, torch.tensor(ids), 3) for table, ids in zip(tables, new, strict=True)]
        said = paged.forward(spans).argmax(-1).reshape(-1, 3).tolist()
        for text, table, ids, row in zip(texts, tables, new, said, strict=True):
            kept = 0 if ids[-2] != row[0] else 1 if ids[-1] != row[1] else 2
            text += row[: kept + 1]
            table.rollback(len(text) - 1)
    return [text[len(prompt) : len(prompt) + count] for text, prompt in zip(texts, prompts, strict=True)]


def row(name: str) -> str:
    """One line of the table."""
    kind = Kind(name)
    found = list(ways(kind.build()))
    marks = {way: any(a.attention == way for a in found) for way in ("fused", "paged", "sdpa", "eager")}
    cells = ["yes" if there else "" for there in marks.values()]
    batch = "one forward" if found[0].packs else "one after the other"
    return f"| `{name}` | {' | '.join(cells)} | **{found[0].attention}** | {batch} | {'yes' if kind.window else ''} |"


def _names(kinds: dict[str, dict[str, Any]]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(kinds))


def table() -> str:
    lines = [
        "# Architectures",
        "",
        "Every causal LM of `transformers` whose layers are attention should run: at load its logits over the paged",
        "pool are held against its own, and the fastest way that passes is taken. These are built, tiny and with",
        "random weights, by `tests/engine/test_conformance.py`, which holds their greedy tokens to those of",
        "`generate`, with and without a draft, in ragged batches of three, with rollback, and where it says so with a",
        "window shorter than the text.",
        "",
        "`fused` is Helix's own decoder, `paged` its attention inside the model (both read the pool in place); `sdpa`",
        "and `eager` are the model's own attention over gathered keys and values.",
        "",
        "| model type | fused | paged | sdpa | eager | taken | several texts | window tested |",
        "|---|---|---|---|---|---|---|---|",
        *(row(name) for name in sorted(ZOO)),
        "",
        "Linear attention, state spaces, hybrids and whatever else cannot run over paged KV but goes on rightly from a",
        "state of its own run without speculation, one text after the other in a step, and take over nobody's past:",
        f"tested are {_names(STATEFUL)}.",
        "",
        f"Refused, each with the reason: {_names(REFUSED)}, encoder-decoders such as `t5` and `bart`, and models that",
        "write no text. Of models for pictures and text those run that `transformers` knows as causal language models",
        "(`gemma3`), with text alone.",
        "",
        "This file is written by `python tests/engine/zoo.py`.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
    print(TABLE)
