"""The models there are to choose from: bundled, in folders, in the hub's cache, and pairs worth fetching."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine import ModelFacts

GB = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Pair:
    """A target and who drafts for it, as `Engine.load` takes them; "none" is no draft."""

    target: str
    draft: str = "none"

    @property
    def title(self) -> str:
        """Short: the last part of each name."""
        if self.target == "bundled":
            return "the bundled pair" if self.draft in ("bundled", "auto") else "bundled"
        name = self.target.rstrip("/\\").replace("\\", "/").split("/")[-1]
        return name if self.draft in ("none", "auto") else f"{name} ⇠ {Pair(self.draft).title}"


@dataclass(frozen=True, slots=True)
class Known:
    """A model on the hub, with its sizes, so that its memory can be told before anything is fetched."""

    name: str
    millions: int
    layers: int
    kv_heads: int
    head_dim: int
    hidden: int
    vocab: int
    context: int

    @property
    def download(self) -> int:
        """Bytes, about: all of these are stored in bfloat16."""
        return self.millions * 2_000_000

    def facts(self) -> ModelFacts:
        from engine import ModelFacts

        values = 2 * self.layers * self.kv_heads * self.head_dim
        return ModelFacts(
            self.millions * 1_000_000, values, self.hidden, self.vocab, self.context, download=self.download
        )


KNOWN = {
    known.name: known
    for known in (
        Known("HuggingFaceTB/SmolLM2-135M-Instruct", 135, 30, 3, 64, 576, 49_152, 8_192),
        Known("HuggingFaceTB/SmolLM2-360M-Instruct", 362, 32, 5, 64, 960, 49_152, 8_192),
        Known("HuggingFaceTB/SmolLM2-1.7B-Instruct", 1_711, 24, 32, 64, 2_048, 49_152, 8_192),
        Known("Qwen/Qwen2.5-0.5B-Instruct", 494, 24, 2, 64, 896, 151_936, 32_768),
        Known("Qwen/Qwen2.5-1.5B-Instruct", 1_544, 28, 2, 128, 1_536, 151_936, 32_768),
        Known("Qwen/Qwen2.5-3B-Instruct", 3_086, 36, 2, 128, 2_048, 151_936, 32_768),
        Known("Qwen/Qwen2.5-7B-Instruct", 7_616, 28, 4, 128, 3_584, 152_064, 32_768),
        Known("Qwen/Qwen2.5-14B-Instruct", 14_770, 48, 8, 128, 5_120, 152_064, 32_768),
        Known("Qwen/Qwen3-0.6B", 752, 28, 8, 128, 1_024, 151_936, 40_960),
        Known("Qwen/Qwen3-1.7B", 2_032, 28, 8, 128, 2_048, 151_936, 40_960),
        Known("Qwen/Qwen3-4B", 4_022, 36, 8, 128, 2_560, 151_936, 40_960),
        Known("Qwen/Qwen3-8B", 8_191, 36, 8, 128, 4_096, 151_936, 40_960),
        Known("meta-llama/Llama-3.2-1B-Instruct", 1_236, 16, 8, 64, 2_048, 128_256, 131_072),
        Known("meta-llama/Llama-3.2-3B-Instruct", 3_213, 28, 8, 128, 3_072, 128_256, 131_072),
        Known("meta-llama/Llama-3.1-8B-Instruct", 8_030, 32, 8, 128, 4_096, 128_256, 131_072),
    )
}
PAIRS = (
    Pair("HuggingFaceTB/SmolLM2-360M-Instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"),
    Pair("HuggingFaceTB/SmolLM2-1.7B-Instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"),
    Pair("Qwen/Qwen2.5-1.5B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct"),
    Pair("Qwen/Qwen3-1.7B", "Qwen/Qwen3-0.6B"),
    Pair("Qwen/Qwen2.5-3B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct"),
    Pair("meta-llama/Llama-3.2-3B-Instruct", "meta-llama/Llama-3.2-1B-Instruct"),
    Pair("Qwen/Qwen3-4B", "Qwen/Qwen3-0.6B"),
    Pair("Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct"),
    Pair("Qwen/Qwen3-8B", "Qwen/Qwen3-0.6B"),
    Pair("meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.2-1B-Instruct"),
    Pair("Qwen/Qwen2.5-14B-Instruct", "Qwen/Qwen2.5-1.5B-Instruct"),
)
"""Each shares its tokenizer. From memory of their makers' pages: sizes are about right, nothing was run here."""
OURS = 2_000_000_000
"""Left for the KV cache and everything else when a pair is suggested."""


def suggested(free: int) -> list[Pair]:
    """The three largest known pairs that fit so many bytes in their stored dtype, the largest first."""
    fitting = [p for p in PAIRS if _weights(p) + min(OURS, free // 4) <= free]
    return sorted(fitting, key=_weights, reverse=True)[:3]


def download_of(pair: Pair) -> int:
    """Bytes to fetch for a known pair, were nothing of it here."""
    return _weights(pair)


def _weights(pair: Pair) -> int:
    return sum(KNOWN[name].download for name in (pair.target, pair.draft) if name in KNOWN)


def in_folders(folders: Iterable[str]) -> list[Pair]:
    """The models in folders: each is a model, or has models in it."""
    found: list[Path] = []
    for name in folders:
        folder = Path(name).expanduser()
        if _is_model(folder):
            found.append(folder)
        else:
            try:
                found += sorted(inner for inner in folder.iterdir() if _is_model(inner))
            except OSError:
                continue
    return [Pair(str(folder)) for folder in dict.fromkeys(found)]


def in_cache() -> list[Pair]:
    """The causal language models in the hub's cache, each with the known draft for it where that is here too."""
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        repos = [repo for repo in scan_cache_dir().repos if repo.repo_type == "model"]
    except (CacheNotFound, OSError, ValueError):
        return []
    names = sorted(
        repo.repo_id for repo in repos if any(_is_model(revision.snapshot_path) for revision in repo.revisions)
    )
    drafts = {pair.target: pair.draft for pair in PAIRS if pair.draft in names}
    return [Pair(name, drafts.get(name, "none")) for name in names]


def _is_model(folder: Path) -> bool:
    """Whether it has a causal language model with its weights."""
    try:
        config: Any = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        weights = any(file.suffix in (".safetensors", ".bin") for file in folder.iterdir())
    except (OSError, ValueError):
        return False
    architectures = config.get("architectures") if isinstance(config, Mapping) else None
    causal = any(str(name).endswith(("ForCausalLM", "LMHeadModel")) for name in architectures or ())
    return causal and weights
