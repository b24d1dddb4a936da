"""Folders in compressed-tensors' "int-quantized" W8A8: int8 weights a channel, int8 activations a token.

It is the scheme of `Int8Linear`, so where a CPU runs that the stored integers are used as they are; elsewhere they
are multiplied out once, at load. Other schemes are left to transformers, if compressed-tensors is installed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ModelNotFound, UnsupportedModel
from .quantize import Int8Weight
from .shards import check_complete, weight_files

METHOD = "compressed-tensors"
FORMATS = ("int-quantized", "naive-quantized")
WEIGHTS = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel", "dynamic": False}
ACTIVATIONS = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "token", "dynamic": True}
SCALE = re.compile(r"(.+)\.weight_scale$")


def is_w8a8(config: Mapping[str, Any], folder: Path) -> bool:
    """Whether `read` is the way to load the model of this `config.json`; False for one that is not compressed.

    Raises UnsupportedModel for another scheme of compressed-tensors where the package that knows it is missing.
    """
    quantization = config.get("quantization_config") or {}
    if quantization.get("quant_method") != METHOD:
        return False
    reason = _other_scheme(quantization)
    if reason is None:
        return True
    if find_spec("compressed_tensors") is None:
        raise UnsupportedModel(
            f"{folder} is a {METHOD} model with {reason}, which needs `pip install {METHOD}`; "
            "W8A8 (int8 weights a channel, int8 activations a token) loads without it."
        )
    return False


def read(folder: Path, dtype: torch.dtype, *, keep: bool, code: bool = False) -> Any:
    """The causal language model in `folder`, its int8 weights multiplied out to `dtype`.

    With `keep` every linear has its integers too, as `module.int8`, for `fused` to take.
    Python code in the folder runs only with `code`.
    Raises ModelNotFound for weights that do not fit together.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=code)
    del config.quantization_config  # What is handed over below is an ordinary model.
    state, stored = _multiplied_out(_tensors(folder), dtype)
    with torch.device("meta"):
        kind = type(
            AutoModelForCausalLM.from_config(config, trust_remote_code=code)
        )  # Only a model's own class takes tensors for a folder.
    model, told = kind.from_pretrained(
        None,
        config=config,
        state_dict=state,
        dtype=dtype,
        attn_implementation="eager",
        ignore_mismatched_sizes=True,
        output_loading_info=True,
    )
    check_complete(told, folder)
    if (folder / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(str(folder), local_files_only=True)
    if keep:
        modules = dict(model.named_modules())
        for name, weight in stored.items():
            if name in modules:
                modules[name].int8 = weight
    return model


def _other_scheme(quantization: Mapping[str, Any]) -> str | None:
    """What is not W8A8 about it, None if it is."""
    form = quantization.get("format")
    if form not in FORMATS:
        return f"the format {form}"
    groups = list((quantization.get("config_groups") or {}).values())
    if not groups:
        return "no scheme given"
    for group in groups:
        for part, wanted in (("weights", WEIGHTS), ("input_activations", ACTIVATIONS)):
            given = group.get(part) or {}
            if any(given.get(key) != value for key, value in wanted.items()):
                return f"other {part.replace('_', ' ')} than W8A8's"
        if group.get("output_activations") or group.get("format") not in (None, *FORMATS):
            return "a mixed scheme"
    if quantization.get("kv_cache_scheme") or quantization.get("transform_config"):
        return "a quantised KV cache or transforms"
    sparsity = (quantization.get("sparsity_config") or {}).get("format", "dense")
    return None if sparsity == "dense" else f"{sparsity} sparsity"


def _tensors(folder: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    tensors: dict[str, Tensor] = {}
    for path in weight_files(folder):
        tensors |= load_file(path)
    return tensors


def _multiplied_out(tensors: dict[str, Tensor], dtype: torch.dtype) -> tuple[dict[str, Tensor], dict[str, Int8Weight]]:
    """The state of an ordinary model, and the integers of each linear by its name."""
    stored: dict[str, Int8Weight] = {}
    for name in [m[1] for m in map(SCALE.match, tensors) if m]:
        scales = tensors.pop(f"{name}.weight_scale").float().flatten()
        values = tensors.pop(f"{name}.weight", None)
        zeros = tensors.pop(f"{name}.weight_zero_point", None)
        if values is None or values.dtype != torch.int8 or values.dim() != 2 or len(scales) != len(values):
            raise ModelNotFound(f"{name} has no int8 weight that fits its scales; download the model again.")
        if zeros is not None and bool(zeros.any()):
            raise UnsupportedModel(f"{name} has zero points, which a symmetric W8A8 model has not; choose another.")
        stored[name] = Int8Weight(values, scales)
    return tensors | {f"{name}.weight": w.multiplied_out().to(dtype) for name, w in stored.items()}, stored
