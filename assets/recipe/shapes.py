"""The models that the recipe knows by name: Llama architecture, tied embeddings."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from corpus import END, END_OF_TEXT
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM


@dataclass(frozen=True, slots=True)
class Shape:
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    mlp: int

    def config(self, vocab: int, context: int) -> LlamaConfig:
        return LlamaConfig(
            vocab_size=vocab,
            hidden_size=self.hidden,
            intermediate_size=self.mlp,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.kv_heads,
            max_position_embeddings=context,
            rms_norm_eps=1e-5,
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=END,
            pad_token_id=END_OF_TEXT,
        )


SHAPES = {
    "target": Shape(640, 10, 10, 5, 1728),  # 56M parameters at 16,384 tokens
    "draft": Shape(256, 2, 4, 2, 704),  # 5.7M, of which 4.2M are the embedding
    "mini": Shape(256, 6, 4, 2, 704),  # the stop-gap pair's
    "mini-draft": Shape(128, 2, 2, 1, 352),
    "toy": Shape(64, 2, 2, 1, 128),  # for the smoke test
    "toy-draft": Shape(32, 1, 2, 1, 64),
}


def build(shape: Shape, vocab: int, context: int) -> LlamaForCausalLM:
    """A new float32 model. Matrices keep the size of what flows through; those that write to the stream shrink it."""
    model = LlamaForCausalLM._from_config(shape.config(vocab, context), attn_implementation="sdpa", dtype=torch.float32)
    for name, weight in model.named_parameters():
        if weight.dim() < 2:
            continue
        deviation = 0.02 if "embed" in name else 1 / math.sqrt(weight.shape[1])
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            deviation /= math.sqrt(2 * shape.layers)
        nn.init.normal_(weight, std=deviation)
    return model
