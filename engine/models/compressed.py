"""Folders in W8A8 (see `w8a8`), read without compressed-tensors.

It is the scheme of `Int8Linear`, so where a CPU runs that the stored integers are used as they are; elsewhere they
are multiplied out once, at load. Other schemes are left to transformers, if compressed-tensors is installed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ModelNotFound, UnsupportedModel
from .quantize import Int8Weight
from .shards import check_complete, weight_files

SCALE = re.compile(r"(.+)\.weight_scale$")


def state(folder: Path, dtype: torch.dtype) -> dict[str, Tensor]:
    """The weights of the ordinary model that `folder` stands for. Raises ModelNotFound for weights that do not fit."""
    return _multiplied_out(_tensors(folder), dtype)[0]


def read(folder: Path, dtype: torch.dtype, *, keep: bool, code: bool = False, attention: str = "eager") -> Any:
    """The causal language model in `folder`, its int8 weights multiplied out to `dtype`.

    With `keep` every linear has its integers too, as `module.int8`, for `fused` to take. `attention` is transformers'
    name of an implementation.
    Python code in the folder runs only with `code`.
    Raises ModelNotFound for weights that do not fit together.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=code)
    del config.quantization_config  # What is handed over below is an ordinary model.
    weights, stored = _multiplied_out(_tensors(folder), dtype)
    with torch.device("meta"):
        kind = type(
            AutoModelForCausalLM.from_config(config, trust_remote_code=code)
        )  # Only a model's own class takes tensors for a folder.
    model, told = kind.from_pretrained(
        None,
        config=config,
        state_dict=weights,
        dtype=dtype,
        attn_implementation=attention,
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
