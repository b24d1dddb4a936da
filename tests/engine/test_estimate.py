"""What a pair will take is told before it is loaded, from files or from the hub, and is what it then takes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import tiny

from engine import Engine, ModelFacts, ModelNotFound, cached_folder, estimate, fetch, read_facts
from engine.models.facts import facts
from engine.models.hub import wanted_files
from engine.models.quantize import int8_support


@pytest.mark.parametrize("kind", ["llama", "gpt2", "qwen2"])
def test_weights_and_pool_are_those_of_the_loaded_pair(models: tiny.Models, kind: str) -> None:
    target, draft = models.target(kind), models.small(kind)
    told = estimate(target, draft, device="cpu")
    with Engine.load(target, draft, device="cpu") as engine:
        loaded = engine.loaded
    assert loaded.draft is not None
    # Rotary tables and the like are no parameters.
    assert told.weights == pytest.approx(loaded.target.bytes + loaded.draft.bytes, rel=0.05)
    assert told.kv == loaded.kv_bytes
    assert told.dtype == "float32" and told.device == "cpu" and told.fits and told.download == 0


@pytest.mark.parametrize("dtype", ["int8", "float32", "bfloat16"])
def test_of_the_bundled_pair_it_is_what_is_then_held(dtype: str) -> None:
    if dtype == "int8" and int8_support() is None:
        pytest.skip("this torch has no int8 linears")
    told = estimate(device="cpu", dtype=dtype)
    with Engine.load(device="cpu", dtype=dtype) as engine:
        loaded = engine.loaded
    assert loaded.draft is not None
    assert told.weights == pytest.approx(loaded.target.bytes + loaded.draft.bytes, rel=0.05)
    assert told.kv == loaded.kv_bytes and told.sure


def test_the_bundled_pair() -> None:
    told = replace(estimate(device="cpu"), free=0)
    assert (
        told == replace(estimate("bundled", "bundled", "cpu"), free=0)
        and told.weights > estimate("bundled", None, "cpu").weights
    )
    assert 6_000_000 < read_facts("bundled").parameters < 7_000_000


def test_a_dtype_halves_the_weights(models: tiny.Models) -> None:
    folder = models.target("llama")
    full, half = (estimate(folder, None, "cpu", dtype) for dtype in ("float32", "bfloat16"))
    assert full.weights == 2 * half.weights and full.kv == 2 * half.kv


def test_what_does_not_fit_is_said(models: tiny.Models) -> None:
    huge = ModelFacts(10**15, 1000, 4096, 32000, 2048)
    told = estimate(huge, None, "cpu")
    assert told.fits is False and told.total > told.free


@pytest.mark.parametrize("config", ["nothing", "not json"])
def test_a_folder_that_is_no_model(tmp_path: Path, config: str) -> None:
    if config != "nothing":
        (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelNotFound, match=r"config\.json"):
        read_facts(tmp_path)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff" * 64, (4).to_bytes(8, "little") + b'{"a"'])
def test_damaged_weights(models: tiny.Models, tmp_path: Path, content: bytes) -> None:
    shutil.copy(models.target("llama") / "config.json", tmp_path)
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelNotFound, match="damaged"):
        read_facts(tmp_path)


def test_families_call_things_by_their_own_names() -> None:
    gpt = facts({"n_embd": 64, "n_head": 4, "n_layer": 3, "vocab_size": 9, "n_positions": 77}, 1)
    assert (gpt.kv_per_token, gpt.hidden, gpt.context) == (2 * 3 * 64, 64, 77)
    qwen = {
        "hidden_size": 64,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "num_hidden_layers": 5,
    }
    assert facts(qwen, 1).kv_per_token == 2 * 5 * 2 * 32
    assert facts({"text_config": qwen, "torch_dtype": "float16"}, 1).stored == "float16"


def test_a_hub_id_is_weighed_without_its_weights(models: tiny.Models, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = models.target("llama")
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()} | {"onnx/model.onnx": 10**9}
    files = [SimpleNamespace(rfilename=name, size=size) for name, size in sizes.items()]

    def missing(*args: Any, **settings: Any) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(huggingface_hub, "snapshot_download", missing)
    monkeypatch.setattr(
        huggingface_hub, "HfApi", lambda: SimpleNamespace(model_info=lambda *a, **k: SimpleNamespace(siblings=files))
    )
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda repository, name, **_: str(folder / name))
    assert cached_folder("org/model") is None
    told, here = estimate("org/model", None, "cpu"), estimate(folder, None, "cpu")
    assert told.weights == pytest.approx(here.weights, rel=0.3) and told.kv == here.kv
    assert 0 < told.download < 10**9


def test_a_hub_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*args: Any, **settings: Any) -> Any:
        raise OSError("no network\nat all")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", down)
    monkeypatch.setattr(huggingface_hub, "HfApi", down)
    with pytest.raises(ModelNotFound, match=r"org/model .* \(no network\); check the name and the network"):
        read_facts("org/model")


def test_one_form_of_the_weights_is_fetched() -> None:
    names = ["config.json", "model.safetensors", "pytorch_model.bin", "README.md", "onnx/model.onnx", "tokenizer.model"]
    assert wanted_files(names) == ["config.json", "model.safetensors", "tokenizer.model"]
    assert wanted_files(["pytorch_model.bin", "config.json"]) == ["pytorch_model.bin", "config.json"]


def test_a_folder_needs_no_fetching(models: tiny.Models) -> None:
    assert fetch(str(models.target("llama"))) == models.target("llama")
    assert json.loads((models.target("llama") / "config.json").read_text())["model_type"] == "llama"


def test_a_closed_engine_lets_go_of_its_models(models: tiny.Models) -> None:
    import weakref

    engine = Engine.load(models.target("llama"), models.small("llama"), device="cpu")
    held = weakref.ref(engine._pair.target)
    engine.close()
    assert held() is None
