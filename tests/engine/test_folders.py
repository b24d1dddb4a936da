"""Folders that are no model, or a broken one: refused before anything heavy, in one sentence that says what to do."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from engine import Engine, HelixError, Request, estimate, read_facts
from engine.models import reading
from engine.models.quantize import int8_support


@pytest.fixture
def folder(models: tiny.Models, tmp_path: Path) -> Path:
    """A copy of a good folder, to be damaged."""
    return Path(shutil.copytree(models.target("llama"), tmp_path / "model"))


@pytest.fixture
def sharded(folder: Path) -> Path:
    """The same in three shards with an index."""
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places = {}
    for number in range(3):
        file = f"model-{number + 1:05}-of-00003.safetensors"
        part = {name: state[name] for name in sorted(state)[number::3]}
        save_file(part, folder / file, metadata={"format": "pt"})
        places |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return folder


def said(folder: Path, **settings: Any) -> str:
    """The one sentence with which loading is refused."""
    with pytest.raises(HelixError) as caught:
        Engine.load(folder, None, device="cpu", **settings).close()
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 400, sentence
    return sentence


def change(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def test_shards_are_read_together(models: tiny.Models, sharded: Path) -> None:
    request = Request(prompt_ids=tiny.prompt(9, 1), max_tokens=8)
    with Engine.load(sharded, None, device="cpu") as engine:
        got = engine.generate(request).token_ids
    assert got == tiny.greedy(tiny.load(models.target("llama")), tiny.prompt(9, 1), 8)
    assert read_facts(sharded).parameters == read_facts(models.target("llama")).parameters


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def garbage(file: Path) -> None:
    file.write_bytes(struct.pack("<Q", 40) + b"\xff" * 200)


def liar(file: Path) -> None:
    file.write_bytes(struct.pack("<Q", 1 << 60) + b"{}")


SHARD = "model-00002-of-00003.safetensors"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut, f"{SHARD} cannot be read: it is cut short"),
        (garbage, f"{SHARD} is damaged and cannot be read; download it again"),
        (liar, f"{SHARD} is damaged"),
        (Path.unlink, f"{SHARD} is not there; download the model again"),
    ],
)
def test_a_damaged_shard_is_named(sharded: Path, damage: Callable[[Path], None], words: str) -> None:
    damage(sharded / SHARD)
    assert words in said(sharded)
    with pytest.raises(HelixError):
        estimate(sharded, None, "cpu")


def test_a_shard_without_its_index_is_not_all(sharded: Path) -> None:
    (sharded / "model.safetensors.index.json").unlink()
    (sharded / SHARD).unlink()
    assert "part of 3 is not there; download the model again" in said(sharded)


@pytest.mark.parametrize("name", ["../other/model.safetensors", "/etc/passwd", "..\\x.safetensors", "c:x", "", ".."])
def test_an_index_that_leads_out_of_the_folder(sharded: Path, name: str) -> None:
    change(sharded / "model.safetensors.index.json", weight_map={"a": name})
    assert "names a file outside its folder" in said(sharded)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": 5}}', "[" * 100_000])
def test_a_damaged_index(sharded: Path, content: str) -> None:
    (sharded / "model.safetensors.index.json").write_text(content)
    assert "model.safetensors.index.json is damaged" in said(sharded)


def test_tensors_that_are_missing_or_of_another_shape(folder: Path) -> None:
    file = folder / "model.safetensors"
    state = load_file(file)
    norm, down = "model.layers.1.input_layernorm.weight", "model.layers.1.mlp.down_proj.weight"
    save_file({n: t for n, t in state.items() if n not in (norm, down)}, file, metadata={"format": "pt"})
    assert f"lack {norm} and 1 more; download the model again" in said(folder)
    save_file(state | {down: torch.zeros(32, 47)}, file, metadata={"format": "pt"})
    assert f"{down} has another shape ((32, 47) in the file, (32, 48) in config.json)" in said(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_one_number_that_is_none_is_found(folder: Path, value: float, dtype: str) -> None:
    file, name = folder / "model.safetensors", "model.embed_tokens.weight"
    state = load_file(file)
    state[name][50, 3] = value  # A row that no check at load would meet.
    save_file(state, file, metadata={"format": "pt"})
    if dtype == "int8" and int8_support() is None:
        pytest.skip("no int8 here")
    assert f"{name} has values that are no numbers" in said(folder, dtype=dtype)


def test_configurations(folder: Path) -> None:
    file = folder / "config.json"
    whole = file.read_text()
    change(file, architectures=None)
    Engine.load(folder, None, device="cpu").close()
    change(file, model_type="no_such_kind")
    assert "(model type 'no_such_kind'); choose another" in said(folder)
    change(file, model_type=["llama"])
    assert "(model type ['llama']); choose another" in said(folder)
    change(file, model_type=None)
    assert "no causal language model" in said(folder)
    file.write_text("[" * 100_000)
    assert "config.json is damaged; download" in said(folder)
    file.write_bytes(b"\xff\xfe\x00")
    assert "config.json is damaged; download" in said(folder)
    file.write_text(whole)
    change(file, vocab_size="many")
    assert said(folder)
    for name in ("num_hidden_layers", "hidden_size", "vocab_size", "max_position_embeddings"):
        file.write_text(whole)
        change(file, **{name: 2**60})
        assert f"config.json is damaged: {name} is 1.15292e+18, which no model has" in said(folder)
    file.write_text(whole)
    change(file, num_hidden_layers=-3)
    assert said(folder)


def test_what_is_no_folder_of_a_model(folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "has no config.json" in said(empty)
    assert "is a file; give the folder that it is in" in said(folder / "model.safetensors")
    (empty / "adapter_config.json").write_text("{}")
    assert "is an adapter, not a model" in said(empty)


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ({"quant_method": "gptq", "bits": 4}, "is a gptq model, which needs another package: pip install gptqmodel"),
        ({"quant_method": "awq", "bits": 4}, "is a awq model, which needs another package: pip install gptqmodel"),
        ({"load_in_4bit": True}, "is a bitsandbytes model, which needs another package: pip install bitsandbytes"),
        ({"quant_method": "hqq"}, "is a hqq model, which needs another package: pip install hqq"),
    ],
)
def test_a_quantised_model_names_the_package_it_needs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, method: dict[str, Any], words: str
) -> None:
    monkeypatch.setattr(reading, "find_spec", lambda name: None)
    change(folder / "config.json", quantization_config=method)
    assert words in said(folder)


def test_a_quantisation_that_nobody_knows(folder: Path) -> None:
    for method in ({"quant_method": "sorcery"}, {"bits": 4}, 5, "x"):
        change(folder / "config.json", quantization_config=method)
        assert said(folder)
