"""Models of random weights in the shapes of real ones, written as ordinary folders so that everybody can load them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

_LLAMA: dict[str, Any] = {
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
    "tie_word_embeddings": False,
}


@dataclass(frozen=True, slots=True)
class Shape:
    """The configurations of a pair, and of a model of few layers for the `cache` section."""

    target: dict[str, Any]
    draft: dict[str, Any]
    layers: dict[str, Any]
    dtype: torch.dtype
    """As it is stored."""
    spread: float = 0.02
    """Standard deviation of the weights."""


_TINYLLAMA = {
    **_LLAMA, "vocab_size": 32_000, "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 22,
    "num_attention_heads": 32, "num_key_value_heads": 4, "max_position_embeddings": 2048,
}  # fmt: skip
_TINY = {
    **_LLAMA, "vocab_size": 97, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
}  # fmt: skip
SHAPES = {
    "tinyllama": Shape(
        target=_TINYLLAMA,
        # 68M parameters: as the smallest published draft of this vocabulary.
        draft={
            **_TINYLLAMA, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 2,
            "num_attention_heads": 12, "num_key_value_heads": 12,
        },
        layers={**_TINYLLAMA, "vocab_size": 1024, "num_hidden_layers": 4, "max_position_embeddings": 4096},
        dtype=torch.bfloat16,
    ),
    "tiny": Shape(
        target=_TINY,
        draft={**_TINY, "num_hidden_layers": 1},
        layers={**_TINY, "max_position_embeddings": 4096},
        dtype=torch.float32,
        spread=0.2,
    ),
}  # fmt: skip


_LOUD = 8.0
"""Standard deviation of the embeddings: several times what all layers add to them."""


def build(config: dict[str, Any], dtype: torch.dtype, spread: float, seed: int) -> Any:
    """A Llama of normal weights, the same for the same seed; on the CPU.

    Its output layer is its embeddings in another order, which are loud: so every token has one successor by far, and
    another rounding (of int8, or of other rows) does not change what is said. Each matrix costs what it costs.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **config), dtype=dtype)
    model = model.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 1:
                weight.fill_(1.0)
            else:
                weight.normal_(0, spread, generator=generator)
        words = model.get_input_embeddings().weight
        model.get_output_embeddings().weight.copy_(words[torch.randperm(len(words), generator=generator)])
        words.mul_(_LOUD / spread)
    # What is no weight (rope's frequencies) was lost on the meta device.
    model.model.rotary_emb = type(model.model.rotary_emb)(model.config)
    return model.eval()


def write(shape: Shape, folder: Path) -> tuple[Path, Path]:
    """The folders of the target and the draft."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    paths = folder / "target", folder / "draft"
    for seed, (path, config) in enumerate(zip(paths, (shape.target, shape.draft), strict=True)):
        build(config, shape.dtype, shape.spread, seed).save_pretrained(path)
    return paths
