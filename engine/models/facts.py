"""What a model is, from its configuration and the headers of its weights: no weights are read, torch is not needed."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import HelixError, ModelNotFound
from .hub import HUB_SECONDS, cached_folder, explain, split, wanted_files
from .rope import border
from .shards import read_header, read_json, weight_files
from .source import GGUF, bundled
from .w8a8 import is_w8a8


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
    usual: int | None = None
    """Fewer, unless more is asked for (see `rope`)."""
    stored: str = "bfloat16"
    """The dtype of the file."""
    download: int = 0
    """Bytes to fetch from the hub first; 0 when it is here."""
    quantized: bool = False
    """Stored in some library's own form: the numbers in the file are not those in memory."""


def read_facts(name: str | os.PathLike[str], role: str = "target") -> ModelFacts:
    """The facts of "bundled", a folder, or a hub id; the hub is asked only about what is not here.

    Raises ModelNotFound.
    """
    if name == "bundled":
        return _of_folder(bundled(role))
    path = Path(name).expanduser()
    if path.is_file() and path.suffix.lower() == GGUF:
        return _of_gguf(path)
    if path.is_dir():
        ggufs = [] if (path / "config.json").is_file() else list(path.glob("*.gguf"))
        return _of_gguf(ggufs[0]) if ggufs else _of_folder(path)
    cached = cached_folder(str(name))
    return _of_folder(cached) if cached is not None else _of_hub(str(name))


def _of_folder(folder: Path) -> ModelFacts:
    config = read_json(folder / "config.json")
    files = weight_files(folder)
    if any(file.suffix == ".safetensors" for file in files):
        parameters = sum(_counted(file) for file in files)
    else:
        parameters = sum(file.stat().st_size for file in files) // _width(_stored(config))
    return facts(config, parameters)


def _of_gguf(file: Path) -> ModelFacts:
    """From its header, if the package that reads it is here; else no more than its size says."""
    try:
        from gguf import GGUFReader
    except ImportError:
        return facts({}, file.stat().st_size)
    try:
        reader = GGUFReader(file)
        fields = {name: field.contents() for name, field in reader.fields.items() if "tokenizer" not in name}
        words = reader.fields.get("tokenizer.ggml.tokens")
        parameters = sum(int(tensor.n_elements) for tensor in reader.tensors)
    except Exception as error:
        raise ModelNotFound(f"{file} is no GGUF file that can be read; download it again.") from error
    kind = fields.get("general.architecture")
    names = {
        "hidden_size": "embedding_length", "num_hidden_layers": "block_count", "head_dim": "attention.key_length",
        "num_attention_heads": "attention.head_count", "num_key_value_heads": "attention.head_count_kv",
        "max_position_embeddings": "context_length",
    }  # fmt: skip
    config = {ours: fields.get(f"{kind}.{theirs}") for ours, theirs in names.items()}
    return facts({**config, "vocab_size": len(words.data) if words else 0}, parameters)


def _of_hub(name: str) -> ModelFacts:
    from huggingface_hub import HfApi, hf_hub_download

    repository, revision = split(name)
    try:
        info = HfApi().model_info(repository, revision=revision, files_metadata=True, timeout=HUB_SECONDS)
        config = read_json(Path(hf_hub_download(repository, "config.json", revision=revision)))
    except HelixError:
        raise
    except Exception as error:
        raise explain(error, name) from error
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
    wanted = wanted_files(sizes)
    weights = sum(sizes[file] for file in wanted if file.endswith((".safetensors", ".bin")))
    width = 1 if is_w8a8(config) else _width(_stored(config))
    return facts(config, weights // width, sum(sizes[file] for file in wanted))


def facts(config: Mapping[str, Any], parameters: int, download: int = 0) -> ModelFacts:
    """From a configuration in the Hugging Face form, whatever its family calls things."""
    inner = config.get("text_config")
    if not isinstance(inner, Mapping):
        inner = config

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
        usual=border(inner),
        stored=_stored(config),
        download=download,
        quantized=bool(config.get("quantization_config")) and not is_w8a8(config),
    )


def _stored(config: Mapping[str, Any]) -> str:
    return str(config.get("dtype") or config.get("torch_dtype") or "float32").removeprefix("torch.")


def _width(dtype: str) -> int:
    return 4 if dtype == "float32" else 2


def _counted(file: Path) -> int:
    """Parameters in a safetensors file, from its header; the scales of quantised ones are none."""
    return sum(math.prod(t["shape"]) for name, t in read_header(file).items() if not name.endswith("_scale"))
