"""Write a trained model as the folder that ships: W8A8 for compressed-tensors or plain bf16, tokenizer, template.

python assets/recipe/export.py .pair/target --data .pair/data --out .pair/out/target --context 1024
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from corpus import END, END_OF_TEXT, SPECIAL, TEMPLATE
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import GenerationConfig, PreTrainedTokenizerFast

LARGEST = 45_000_000
"""Bytes of weights in one file."""
INTEGERS: dict[str, Any] = {"num_bits": 8, "type": "int", "symmetric": True, "group_size": None}
W8A8: dict[str, Any] = {
    "quant_method": "compressed-tensors",
    "format": "int-quantized",
    "quantization_status": "compressed",
    "global_compression_ratio": None,
    "ignore": ["lm_head"],
    "kv_cache_scheme": None,
    "moe_sparsity_config": None,
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": {**INTEGERS, "strategy": "channel", "dynamic": False},
            "input_activations": {**INTEGERS, "strategy": "token", "dynamic": True},
            "output_activations": None,
            "format": "int-quantized",
        }
    },
}
"""As compressed-tensors writes it: every linear but the head, which is the embedding."""


def quantised(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A `[out, in]` matrix as int8 and its bf16 scales `[out, 1]`; rounded to the scales as they are stored."""
    weight = weight.float()
    scales = (weight.abs().amax(1, keepdim=True) / 127).clamp(min=1e-10).to(torch.bfloat16)
    return (weight / scales.float()).round().clamp(-127, 127).to(torch.int8), scales


def export(source: Path, tokenizer: Path, out: Path, *, context: int, int8: bool = True) -> None:
    """From the bf16 folder of `train` and a tokenizer.json to one that transformers and Helix load."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    config |= {"max_position_embeddings": context, "dtype": "bfloat16"}
    state: dict[str, Tensor] = {}
    for name, weight in load_file(source / "model.safetensors").items():
        if int8 and name.endswith("_proj.weight"):
            state[name], state[f"{name}_scale"] = quantised(weight)
        else:
            state[name] = weight.to(torch.bfloat16).contiguous()
    if int8:
        config["quantization_config"] = W8A8
    _save(state, out)
    (out / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    GenerationConfig(
        eos_token_id=[END, END_OF_TEXT], pad_token_id=END_OF_TEXT, do_sample=True, temperature=0.7, top_p=0.9
    ).save_pretrained(str(out))
    words = PreTrainedTokenizerFast(
        tokenizer_file=str(tokenizer),
        eos_token="<|end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=SPECIAL[1:4],
        model_max_length=context,
    )
    words.chat_template = TEMPLATE
    words.save_pretrained(str(out))
    sizes = {path.name: path.stat().st_size for path in sorted(out.iterdir())}
    print(f"{out}: {sum(sizes.values()) / 1e6:.1f} MB, {sizes}", flush=True)


def _save(state: dict[str, Tensor], out: Path) -> None:
    """One safetensors file, or numbered ones with an index where it would be too large."""
    shards: list[dict[str, Tensor]] = [{}]
    for name, tensor in state.items():
        if shards[-1] and _bytes(shards[-1]) + tensor.nbytes > LARGEST:
            shards.append({})
        shards[-1][name] = tensor
    count = len(shards)
    names = [f"model-{i:05}-of-{count:05}.safetensors" for i in range(1, count + 1)]
    if count == 1:
        names = ["model.safetensors"]
    for name, shard in zip(names, shards, strict=True):
        save_file(shard, out / name, metadata={"format": "pt"})
    if count > 1:
        places = {key: name for name, shard in zip(names, shards, strict=True) for key in shard}
        index = {"metadata": {"total_size": _bytes(state)}, "weight_map": places}
        (out / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _bytes(tensors: dict[str, Tensor]) -> int:
    return sum(t.nbytes for t in tensors.values())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="the folder that train.py or distil.py wrote")
    parser.add_argument("--data", type=Path, default=Path(".pair/data"), help="where tokenizer.json is")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--context", type=int, default=1024)
    parser.add_argument("--plain", action="store_true", help="bf16 as it is, not int8")
    a = parser.parse_args(arguments)
    export(a.source, a.data / "tokenizer.json", a.out, context=a.context, int8=not a.plain)
    return 0


if __name__ == "__main__":
    sys.exit(main())
