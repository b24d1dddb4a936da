"""Which folders are in compressed-tensors' "int-quantized" W8A8: int8 weights a channel, int8 activations a token."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import UnsupportedModel

METHOD = "compressed-tensors"
FORMATS = ("int-quantized", "naive-quantized")
WEIGHTS = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel", "dynamic": False}
ACTIVATIONS = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "token", "dynamic": True}


def is_w8a8(config: Mapping[str, Any]) -> bool:
    """Whether the model of this `config.json` is in this scheme; False for one that is not compressed."""
    quantization = _about(config)
    return quantization.get("quant_method") == METHOD and _other_scheme(quantization) is None


def check(config: Mapping[str, Any], folder: Path) -> None:
    """Raise UnsupportedModel for another scheme of compressed-tensors where the package that knows it is missing."""
    quantization = _about(config)
    if quantization.get("quant_method") != METHOD or find_spec("compressed_tensors") is not None:
        return
    reason = _other_scheme(quantization)
    if reason is not None:
        raise UnsupportedModel(
            f"{folder} is a {METHOD} model with {reason}, which needs `pip install {METHOD}`; "
            "W8A8 (int8 weights a channel, int8 activations a token) loads without it."
        )


def _about(config: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(config.get("quantization_config"))


def _mapping(value: Any) -> Mapping[str, Any]:
    """What a damaged file has in its place is nothing."""
    return value if isinstance(value, Mapping) else {}


def _other_scheme(quantization: Mapping[str, Any]) -> str | None:
    """What is not W8A8 about it, None if it is."""
    form = quantization.get("format")
    if form not in FORMATS:
        return f"the format {form}"
    groups = [_mapping(group) for group in _mapping(quantization.get("config_groups")).values()]
    if not groups:
        return "no scheme given"
    for group in groups:
        for part, wanted in (("weights", WEIGHTS), ("input_activations", ACTIVATIONS)):
            given = _mapping(group.get(part))
            if any(given.get(key) != value for key, value in wanted.items()):
                return f"other {part.replace('_', ' ')} than W8A8's"
        if group.get("output_activations") or group.get("format") not in (None, *FORMATS):
            return "a mixed scheme"
    if quantization.get("kv_cache_scheme") or quantization.get("transform_config"):
        return "a quantised KV cache or transforms"
    sparsity = _mapping(quantization.get("sparsity_config")).get("format", "dense")
    return None if sparsity == "dense" else f"{sparsity} sparsity"
