"""Sliding windows that only a model's own mask knows of: our attention makes its own masks, so it must not be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from engine import Engine, Request, Speculation

WINDOW = 32
"""Longer than the texts of the self-check."""
EXPERTS = {"num_experts_per_tok": 2, "initializer_range": 0.2}
KINDS: dict[str, dict[str, Any]] = {
    "phimoe": {"num_local_experts": 4, "sliding_window": WINDOW},
    "qwen2_moe": {
        "moe_intermediate_size": 16, "shared_expert_intermediate_size": 32, "num_experts": 4, "max_window_layers": 3,
        "use_sliding_window": True, "sliding_window": WINDOW, "layer_types": tiny.MIXED,
    },
}  # fmt: skip


def replied(folder: Path, prompt: list[int]) -> tuple[str, list[int]]:
    with Engine.load(folder, None, device="cpu", dtype="float32") as engine:
        reply = engine.generate(Request(prompt_ids=prompt, max_tokens=16, speculation=Speculation(0)))
        return engine.loaded.target.attention, reply.token_ids


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("window", [WINDOW, 400])
def test_a_window_in_the_mask_alone_is_kept(kind: str, window: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **{**tiny.LLAMA, **EXPERTS, **KINDS[kind], "sliding_window": window})
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    folder = tiny.save(model, tmp_path)
    prompt = tiny.prompt(60, 1)
    attention, text = replied(folder, prompt)
    assert text == tiny.greedy(tiny.load(folder), prompt, 16)
    assert (attention == "paged") == (window == 400), "a window beyond the context changes nothing"


@pytest.mark.parametrize("kind", ["gemma3_text", "gemma2", "mistral+window"])
def test_layers_that_are_told_of_theirs_keep_the_fast_way(kind: str, tmp_path: Path) -> None:
    folder = tiny.save(tiny.build(kind, sliding_window=WINDOW), tmp_path)
    prompt = tiny.prompt(60, 1)
    attention, text = replied(folder, prompt)
    assert text == tiny.greedy(tiny.load(folder), prompt, 16)
    assert attention in ("fused", "paged")
