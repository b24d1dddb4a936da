"""W8A8 folders of compressed-tensors: the stored integers are what runs, and other schemes are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from engine import Engine, HelixError, ModelNotFound, Request, Speculation, UnsupportedModel
from engine.models import compressed, load, w8a8
from engine.models.fused import fuse
from engine.models.quantize import Int8Linear, Int8Support, Int8Weight, int8_support
from engine.models.selfcheck import attach
from engine.models.w8a8 import ACTIVATIONS, WEIGHTS, is_w8a8

needs_int8 = pytest.mark.skipif(int8_support() is None, reason="this torch has no int8 linears")
BITS = 127.5
"""Compressed-tensors divides by half of 255 steps, so that its integers are not those that Helix would round to."""


def scheme(**changes: Any) -> dict[str, Any]:
    group = {"targets": ["Linear"], "weights": dict(WEIGHTS), "input_activations": dict(ACTIVATIONS)}
    return {
        "quant_method": "compressed-tensors", "format": "int-quantized", "quantization_status": "compressed",
        "ignore": ["lm_head"], "config_groups": {"group_0": group}, **changes,
    }  # fmt: skip


def compress(source: Path, folder: Path, **changes: Any) -> Path:
    """A copy of a folder with its linears in W8A8."""
    folder.mkdir(parents=True)
    state = load_file(source / "model.safetensors")
    for name in [n for n in state if n.endswith("proj.weight")]:
        weight = state.pop(name)
        scales = weight.abs().amax(1, keepdim=True) / BITS
        state[name] = (weight / scales).round().clamp(-128, 127).to(torch.int8)
        state[f"{name}_scale"] = scales
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((source / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": scheme(**changes)}))
    return folder


@pytest.fixture
def packed(models: tiny.Models, tmp_path: Path) -> Path:
    return compress(models.target("llama"), tmp_path / "w8a8")


def test_the_weights_come_back_as_they_were_within_half_a_step(models: tiny.Models, packed: Path) -> None:
    before = dict(tiny.load(models.target("llama")).named_parameters())
    for name, weight in compressed.read(packed, torch.float32, keep=False).named_parameters():
        step = before[name].abs().max() / BITS
        assert torch.allclose(weight, before[name], atol=float(step.detach()) * 0.51 if "proj" in name else 0)


@needs_int8
def test_the_stored_integers_are_what_runs(packed: Path) -> None:
    stored = load_file(packed / "model.safetensors")
    fused = fuse(compressed.read(packed, torch.float32, keep=True), 160)
    assert fused is not None
    prefix = "model.layers.1.self_attn."
    names = [f"{prefix}{n}_proj.weight" for n in "qkv"]
    int8 = fused._layers[1].qkv.int8
    assert int8 is not None
    assert torch.equal(int8.values, torch.cat([stored[n] for n in names]))
    assert torch.equal(int8.scales, torch.cat([stored[f"{n}_scale"] for n in names]).flatten())
    quantized = fused.quantized("oneDNN unsigned")._layers[1].qkv
    assert isinstance(quantized, Int8Linear)
    assert torch.equal(quantized.scales, int8.scales)
    assert not torch.equal(Int8Weight.of(int8.multiplied_out()).scales, int8.scales), "rounding again is not the same"


@needs_int8
def test_it_runs_in_int8_where_bytes_are_faster_and_is_lossless(
    models: tiny.Models, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "int8_support", lambda: Int8Support("oneDNN unsigned", True))
    monkeypatch.setattr(load, "TINY", 0)
    draft = compress(models.near("llama"), tmp_path / "draft")
    request = {"prompt_ids": tiny.prompt(20, 4), "max_tokens": 40}
    with Engine.load(packed, draft, device="cpu") as engine:
        assert engine.loaded.target.dtype == "int8"
        plain = engine.generate(Request(**request, speculation=Speculation(0)))
        fast = engine.generate(Request(**request, speculation=Speculation(5)))
    assert plain.token_ids == fast.token_ids
    assert fast.usage.accepted > 0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_elsewhere_it_is_multiplied_out(packed: Path, dtype: str) -> None:
    with Engine.load(packed, None, device="cpu", dtype=dtype) as engine:
        assert engine.loaded.target.dtype == dtype
        reply = engine.generate(Request(prompt_ids=tiny.prompt(9, 1), max_tokens=12))
    if dtype == "float32":
        model = compressed.read(packed, torch.float32, keep=False)
        assert reply.token_ids == tiny.greedy(model, tiny.prompt(9, 1), 12)


@pytest.mark.parametrize(("support", "tiny"), [(None, 0), (Int8Support("oneDNN unsigned", True), load.TINY)])
def test_without_int8_linears_or_where_it_is_tiny_it_runs_in_float32(
    packed: Path, monkeypatch: pytest.MonkeyPatch, support: Int8Support | None, tiny: int
) -> None:
    monkeypatch.setattr(load, "int8_support", lambda: support)
    monkeypatch.setattr(load, "TINY", tiny)
    with Engine.load(packed, None, device="cpu") as engine:
        assert engine.loaded.target.dtype == "float32"


def test_an_architecture_without_fused_decoder_runs_too(models: tiny.Models, tmp_path: Path) -> None:
    folder = compress(models.target("gemma3_text"), tmp_path / "gemma")
    with Engine.load(folder, None, device="cpu") as engine:
        assert engine.generate(Request(prompt_ids=tiny.prompt(9, 1), max_tokens=3)).token_ids


@needs_int8
def test_the_integers_are_kept_once(packed: Path) -> None:
    model = compressed.read(packed, torch.float32, keep=True)
    attach(model, 160, int8="oneDNN unsigned")
    assert [name for name, module in model.named_modules() if "int8" in vars(module)] == []


ASYMMETRIC = {"config_groups": {"group_0": {"weights": {**WEIGHTS, "symmetric": False}}}}
STATIC = {"config_groups": {"g": {"weights": WEIGHTS, "input_activations": {**ACTIVATIONS, "dynamic": False}}}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "pack-quantized"}, "the format pack-quantized"),
        ({"config_groups": {}}, "no scheme"),
        (ASYMMETRIC, "other weights"),
        (STATIC, "other input activations"),
        ({"kv_cache_scheme": {"num_bits": 8}}, "KV cache"),
        ({"sparsity_config": {"format": "sparse-24-bitmask"}}, "sparse-24-bitmask sparsity"),
    ],
)
def test_other_schemes_are_refused_with_a_way_out(
    models: tiny.Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], words: str
) -> None:
    monkeypatch.setattr(w8a8, "find_spec", lambda name: None)
    folder = compress(models.target("llama"), tmp_path / "other", **changes)
    with pytest.raises(UnsupportedModel, match=f"{words}.* needs `pip install compressed-tensors`"):
        Engine.load(folder, None, device="cpu")
    monkeypatch.setattr(w8a8, "find_spec", lambda name: object())
    assert not is_w8a8(json.loads((folder / "config.json").read_text())), "transformers' to load"


def test_what_is_not_compressed_is_none_of_its_business() -> None:
    assert not is_w8a8({"model_type": "llama"})
    assert not is_w8a8({"quantization_config": {"quant_method": "bitsandbytes"}})


def test_weights_that_do_not_fit_their_scales_are_damaged(packed: Path) -> None:
    state = load_file(packed / "model.safetensors")
    state["model.layers.0.mlp.down_proj.weight_scale"] = torch.ones(3, 1)
    save_file(state, packed / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelNotFound, match=r"model\.layers\.0\.mlp\.down_proj has no int8 weight that fits"):
        Engine.load(packed, None, device="cpu")


@needs_int8
def test_zero_points_are_refused(packed: Path) -> None:
    state = load_file(packed / "model.safetensors")
    state["model.layers.0.mlp.down_proj.weight_zero_point"] = torch.ones(32, 1, dtype=torch.int8)
    save_file(state, packed / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(HelixError, match="has zero points"):
        Engine.load(packed, None, device="cpu")
