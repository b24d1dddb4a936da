"""The models that the picker knows of."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest

from helix_tui import models
from helix_tui.models import KNOWN, PAIRS, Pair


def model(folder: Path, architecture: str = "LlamaForCausalLM", weights: bool = True) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    if weights:
        (folder / "model.safetensors").write_bytes(b"")
    return folder


def test_folders_are_models_or_have_models_in_them(tmp_path: Path) -> None:
    one, two = model(tmp_path / "own" / "a"), model(tmp_path / "own" / "b", "GPT2LMHeadModel")
    single = model(tmp_path / "single")
    model(tmp_path / "own" / "bert", "BertForMaskedLM")
    model(tmp_path / "own" / "empty", weights=False)
    (tmp_path / "own" / "broken").mkdir()
    (tmp_path / "own" / "broken" / "config.json").write_text("[")
    found = models.in_folders([str(tmp_path / "own"), str(single), str(tmp_path / "missing"), str(single)])
    assert found == [Pair(str(one)), Pair(str(two)), Pair(str(single))]


def test_only_causal_models_of_the_cache_with_the_draft_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def repo(name: str, architecture: str, kind: str = "model") -> SimpleNamespace:
        folder = model(tmp_path / name, architecture)
        return SimpleNamespace(repo_id=name, repo_type=kind, revisions=[SimpleNamespace(snapshot_path=folder)])

    repos = [repo("Qwen/Qwen3-4B", "Qwen3ForCausalLM"), repo("Qwen/Qwen3-0.6B", "Qwen3ForCausalLM"),
             repo("org/bert", "BertModel"), repo("org/data", "XForCausalLM", "dataset")]  # fmt: skip
    monkeypatch.setattr(huggingface_hub, "scan_cache_dir", lambda: SimpleNamespace(repos=repos))
    assert models.in_cache() == [Pair("Qwen/Qwen3-0.6B"), Pair("Qwen/Qwen3-4B", "Qwen/Qwen3-0.6B")]


def test_a_machine_without_a_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def none() -> None:
        raise huggingface_hub.CacheNotFound("none", cache_dir=tmp_path)

    monkeypatch.setattr(huggingface_hub, "scan_cache_dir", none)
    assert models.in_cache() == []


@pytest.mark.parametrize("free", [0, 500_000_000, 4_000_000_000, 16_000_000_000, 10**12])
def test_suggestions_fit(free: int) -> None:
    found = models.suggested(free)
    assert all(models.download_of(pair) < free for pair in found) and len(found) <= 3
    assert found == sorted(found, key=models.download_of, reverse=True)
    assert bool(found) is (free >= 2_000_000_000)


def test_every_pair_has_its_sizes_and_one_vocabulary_in_a_family() -> None:
    for pair in PAIRS:
        target, draft = KNOWN[pair.target], KNOWN[pair.draft]
        assert draft.millions < target.millions
        # Padding differs inside Qwen2.5; the tokens are the same.
        assert abs(draft.vocab - target.vocab) < 200
        assert target.facts().parameters == target.millions * 1_000_000 and target.facts().download > 0


def test_titles_are_short() -> None:
    assert Pair("bundled", "auto").title == "the bundled pair"
    assert Pair("Qwen/Qwen3-4B", "Qwen/Qwen3-0.6B").title == "Qwen3-4B ⇠ Qwen3-0.6B"
    assert Pair("/a/b/model/").title == "model" and Pair("C:\\models\\m").title == "m"
