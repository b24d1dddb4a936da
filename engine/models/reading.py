"""Weights from a folder or a GGUF file as a causal language model: every tensor there, of the right shape, finite."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext, redirect_stderr
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import torch

from ..errors import ModelNotFound, UnsupportedModel
from . import compressed, w8a8
from .shards import check_complete, check_weights, read_json, weight_files
from .source import GGUF, first_line, own_code, pretrained, quiet

PACKAGES = {
    "gguf": ("gguf", "accelerate"),
    "bitsandbytes": ("bitsandbytes", "accelerate"),
    "gptq": ("gptqmodel", "optimum"),
    "awq": ("gptqmodel", "accelerate"),
    "aqlm": ("aqlm", "accelerate"),
    "hqq": ("hqq", "accelerate"),
    "quanto": ("optimum-quanto", "accelerate"),
    "torchao": ("torchao",),
    "vptq": ("vptq", "accelerate"),
    "eetq": ("kernels", "accelerate"),
    "fp8": ("accelerate",),
}
"""What transformers needs to read a kind of quantisation, by the names on PyPI. compressed-tensors has its own page."""
MOST = {"layer": 10_000, "expert": 100_000, "head": 100_000, "size": 1 << 28, "position": 1 << 28, "n_embd": 1 << 28}
"""The largest number that a configuration may have under a name with this in it."""
MODULES = {"optimum-quanto": "optimum.quanto"}
"""Packages that are imported by another name."""


@dataclass(frozen=True, slots=True)
class Files:
    """A model's files and whether code or pickles among them may be run."""

    path: Path
    """A folder in the Hugging Face layout, or a GGUF file."""
    code: bool = False
    pickle: bool = False

    @property
    def gguf(self) -> bool:
        return self.path.suffix.lower() == GGUF

    @property
    def source(self) -> dict[str, Any]:
        """What `from_pretrained` of transformers takes."""
        return pretrained(self.path, code=self.code)

    @property
    def config(self) -> dict[str, Any]:
        """Of `config.json`; {} for a GGUF file, which has its own. Raises ModelNotFound."""
        return {} if self.gguf else read_json(self.path / "config.json")

    @property
    def size(self) -> int:
        """Bytes of the weights."""
        return self.path.stat().st_size if self.gguf else sum(f.stat().st_size for f in weight_files(self.path))


def check(files: Files) -> Any:
    """The configuration, once nothing is known to stand against the model; no weights are read.

    Raises ModelNotFound or UnsupportedModel.
    """
    raw = files.config
    _check_sizes(raw, files.path)
    method = "gguf" if files.gguf else quantization(raw)
    absent = [name for name in PACKAGES.get(method or "", ()) if not _there(name)]
    if absent:
        raise UnsupportedModel(
            f"{files.path} is a {method} model, which needs another package: pip install {' '.join(absent)}."
        )
    w8a8.check(raw, files.path)
    if not files.gguf:
        check_weights(files.path)
        if method is not None and not _known(method):
            raise UnsupportedModel(
                f"{files.path} is quantised by {method!r:.60}, which transformers does not know; choose another model."
            )
    config = _configuration(files, raw)
    kind = getattr(config, "model_type", "") or "this"
    if getattr(config, "is_encoder_decoder", False):
        raise UnsupportedModel(
            f"{files.path} ({kind}) is an encoder-decoder, which reads a text and writes another; "
            "choose a causal language model."
        )
    if not _speaks(config) and not files.code:
        raise UnsupportedModel(
            f"{files.path} ({kind}) is no causal language model that transformers knows; choose one that writes text."
        )
    return config


def quantization(config: Mapping[str, Any]) -> str | None:
    """The method by which the weights of this `config.json` were quantised, None for weights as they are."""
    about = config.get("quantization_config")
    if not isinstance(about, Mapping):
        return None
    if about.get("load_in_8bit") or about.get("load_in_4bit"):
        return "bitsandbytes"
    return str(about.get("quant_method") or "unknown")


def read(files: Files, dtype: torch.dtype, *, keep: bool = False) -> Any:
    """The model on the CPU, in `dtype`, with eager attention. With `keep` a W8A8 one has its integers too.

    Raises ModelNotFound for weights that lack something, and whatever transformers raises.
    """
    from transformers import AutoModelForCausalLM

    with quiet(), redirect_stderr(StringIO()) if files.gguf else nullcontext():  # Its reader draws a bar of its own.
        if w8a8.is_w8a8(files.config):
            model = compressed.read(files.path, dtype, keep=keep, code=files.code)
        else:
            model, told = AutoModelForCausalLM.from_pretrained(
                **files.source,
                dtype=dtype,
                attn_implementation="eager",
                use_safetensors=None if files.gguf or files.pickle else True,
                weights_only=True,
                ignore_mismatched_sizes=True,  # Refused below, by name.
                output_loading_info=True,
            )
            check_complete(told, files.path)
    check_finite(model, files.path)
    if files.gguf and all(weight.is_floating_point() for weight in model.parameters()):
        del model.config.quantization_config  # It was unpacked: an ordinary model.
    return model


def check_finite(model: Any, path: Path) -> None:
    """Raise ModelNotFound if a weight is NaN or infinite: what it says would be noise. One pass over the memory."""
    for name, weight in model.named_parameters():
        if not weight.is_floating_point() or weight.is_meta or not weight.numel():
            continue
        if not all(bool(end.isfinite()) for end in weight.detach().aminmax()):
            raise ModelNotFound(
                f"The weights in {path} are damaged: {name} has values that are no numbers; download the model again."
            )


def _speaks(config: Any) -> bool:
    """Whether it writes text. Some that do can look at pictures too; here nobody shows them any."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    return type(config) in MODEL_FOR_CAUSAL_LM_MAPPING


def _known(method: str) -> bool:
    from transformers.quantizers.auto import AUTO_QUANTIZER_MAPPING

    return any(name == method or name.startswith(f"{method}_") for name in AUTO_QUANTIZER_MAPPING)


def _there(package: str) -> bool:
    name = MODULES.get(package, package)
    return all(find_spec(part) is not None for part in _parents(name))


def _parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


def _check_sizes(raw: Mapping[str, Any], path: Path) -> None:
    """Raise ModelNotFound for sizes that no model has: to build one of a billion layers takes all time and memory."""
    inner = raw.get("text_config")
    for name, value in (*raw.items(), *(inner.items() if isinstance(inner, Mapping) else ())):
        most = next((most for part, most in MOST.items() if part in name), None)
        if most is not None and isinstance(value, (int, float)) and value > most:
            raise ModelNotFound(
                f"{path / 'config.json'} is damaged: {name} is {value:g}, which no model has; download it again."
            )


def _configuration(files: Files, raw: Mapping[str, Any]) -> Any:
    from transformers import AutoConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    kind = raw.get("model_type")
    known = isinstance(kind, str) and kind in CONFIG_MAPPING
    if raw.get("auto_map") and not files.code and not known:
        raise own_code(files.path)
    with quiet():
        try:
            return AutoConfig.from_pretrained(**files.source)
        except Exception as error:
            reason = first_line(error)
            if kind is None and not files.gguf:
                reason = "its config.json names no model_type"
            elif not files.gguf and not known:
                reason = f"model type {kind!r:.60}"
            raise UnsupportedModel(
                f"{files.path} is no causal language model that transformers knows ({reason}); choose another."
            ) from error
