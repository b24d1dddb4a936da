"""What a model is, from its configuration and the headers of its weights: no weights are read, torch is not needed."""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ModelNotFound
from .source import HUB_SECONDS, WEIGHTS, bundled, wanted_files

HEADER_LIMIT = 100_000_000


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The sizes that decide how much memory a model takes. Counts are of numbers, not bytes."""

    parameters: int
    kv_per_token: int
    """K and V of one token in all layers."""
    hidden: int
    vocab: int
    context: int
    """Tokens that it can attend over."""
    stored: str = "bfloat16"
    """The dtype of the file."""
    download: int = 0
    """Bytes to fetch from the hub first; 0 when it is here."""


def read_facts(name: str | os.PathLike[str], role: str = "target") -> ModelFacts:
    """The facts of "bundled", a folder, or a hub id; the hub is asked only about what is not here.

    Raises ModelNotFound.
    """
    if name == "bundled":
        return _of_folder(bundled(role))
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _of_folder(folder)
    cached = cached_folder(str(name))
    return _of_folder(cached) if cached is not None else _of_hub(str(name))


def cached_folder(repository: str) -> Path | None:
    """Where a hub id lies on this machine with its weights, or None."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(repository, local_files_only=True))
    except Exception:
        return None
    return folder if any(path for pattern in WEIGHTS for path in folder.glob(pattern)) else None


def _of_folder(folder: Path) -> ModelFacts:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ModelNotFound(f"{folder} has no config.json that can be read; choose another folder.") from None
    files = sorted(folder.glob("*.safetensors"))
    try:
        parameters = sum(_counted(file) for file in files)
    except (OSError, ValueError, KeyError, struct.error):
        raise ModelNotFound(f"The weights in {folder} are damaged; download the model again.") from None
    if not files:
        size = sum(file.stat().st_size for file in folder.glob("*.bin"))
        parameters = size // _width(_stored(config))
    return facts(config, parameters)


def _of_hub(repository: str) -> ModelFacts:
    from huggingface_hub import HfApi, hf_hub_download

    try:
        info = HfApi().model_info(repository, files_metadata=True, timeout=HUB_SECONDS)
        config = json.loads(Path(hf_hub_download(repository, "config.json")).read_text(encoding="utf-8"))
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise ModelNotFound(
            f"The hub says nothing of {repository} ({reason}); check the name and the network."
        ) from error
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
    wanted = wanted_files(sizes)
    weights = sum(sizes[file] for file in wanted if file.endswith((".safetensors", ".bin")))
    return facts(config, weights // _width(_stored(config)), sum(sizes[file] for file in wanted))


def facts(config: Mapping[str, Any], parameters: int, download: int = 0) -> ModelFacts:
    """From a configuration in the Hugging Face form, whatever its family calls things."""
    inner = config.get("text_config") or config

    def number(*names: str, default: int = 0) -> int:
        return next((int(inner[n]) for n in names if isinstance(inner.get(n), int) and inner[n] > 0), default)

    hidden = number("hidden_size", "n_embd", "d_model", "word_embed_proj_dim")
    heads = number("num_attention_heads", "n_head", "n_heads", default=1)
    kv_heads = 1 if inner.get("multi_query") else number("num_key_value_heads", "num_kv_heads", default=heads)
    layers = number("num_hidden_layers", "n_layer", "n_layers", "num_layers")
    head_dim = number("head_dim", "kv_channels", default=hidden // heads)
    return ModelFacts(
        parameters=parameters,
        kv_per_token=2 * layers * kv_heads * head_dim,
        hidden=hidden,
        vocab=number("vocab_size"),
        context=number("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", default=2048),
        stored=_stored(config),
        download=download,
    )


def _stored(config: Mapping[str, Any]) -> str:
    return str(config.get("dtype") or config.get("torch_dtype") or "float32").removeprefix("torch.")


def _width(dtype: str) -> int:
    return 4 if dtype == "float32" else 2


def _counted(file: Path) -> int:
    """Parameters in a safetensors file, from its header."""
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        if length > HEADER_LIMIT:
            raise ValueError("no safetensors file")
        header = json.loads(stream.read(length))
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
