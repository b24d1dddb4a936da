"""GGUF files, by what transformers reads of them: weights, tokenizer and chat template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny

from engine import Engine, ModelNotFound, Request, Speculation, UnsupportedModel, read_facts
from engine.models import reading
from engine.models.source import bundled
from engine.models.tokenizer import Tokenizer

gguf = pytest.importorskip("gguf", reason="the extra gguf is not installed")

NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
}  # fmt: skip


def write(folder: Path, file: Path, *, quantised: bool = False) -> Path:
    """A Llama folder as one GGUF file, its matrices in float32 or Q8_0."""
    model = tiny.load(folder)
    config = model.config
    out = gguf.GGUFWriter(str(file), "llama")
    out.add_context_length(config.max_position_embeddings)
    out.add_embedding_length(config.hidden_size)
    out.add_block_count(config.num_hidden_layers)
    out.add_feed_forward_length(config.intermediate_size)
    out.add_head_count(config.num_attention_heads)
    out.add_head_count_kv(config.num_key_value_heads)
    out.add_layer_norm_rms_eps(config.rms_norm_eps)
    out.add_rope_dimension_count(config.head_dim)
    out.add_rope_freq_base(config.rope_parameters["rope_theta"])
    out.add_vocab_size(config.vocab_size)
    _write_words(out, folder, config.vocab_size)
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(name.split(".")[-2])
        if heads:  # llama.cpp turns neighbours where transformers turns halves.
            weight = weight.unflatten(0, (heads, 2, -1)).transpose(1, 2).reshape(weight.shape)
        values = weight.contiguous().numpy()
        if quantised and values.ndim == 2:
            kind = gguf.GGMLQuantizationType.Q8_0
            out.add_tensor(_name(name), gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            out.add_tensor(_name(name), values)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return file


def _name(name: str) -> str:
    path = name.removesuffix(".weight")
    if path in NAMES:
        return f"{NAMES[path]}.weight"
    _, _, layer, inner = path.split(".", 3)
    return f"blk.{layer}.{NAMES[inner]}.weight"


def _write_words(out: Any, folder: Path, count: int) -> None:
    said = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    words = {number: (word, 1) for word, number in said["model"]["vocab"].items()}
    words |= {token["id"]: (token["content"], 3) for token in said["added_tokens"]}
    listed = [words.get(number, (f"[unused {number}]", 5)) for number in range(count)]
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("default")
    out.add_token_list([word for word, _ in listed])
    out.add_token_types([kind for _, kind in listed])
    out.add_token_merges([" ".join(m) if isinstance(m, list) else m for m in said["model"]["merges"]])
    tokenizer = Tokenizer.load(folder)
    assert tokenizer is not None
    out.add_eos_token_id(tokenizer.inner.eos_token_id)
    out.add_chat_template(tokenizer.inner.chat_template)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled draft in Q8_0, alone in its folder."""
    return write(bundled("draft"), tmp_path_factory.mktemp("gguf") / "draft.Q8_0.gguf", quantised=True)


@pytest.mark.slow
def test_a_gguf_file_chats_as_its_folder_does(
    tmp_path: Path, bundled_reply: list[int], capfd: pytest.CaptureFixture[str]
) -> None:
    whole = write(bundled("target"), tmp_path / "target.gguf")
    capfd.readouterr()
    with Engine.load(whole, None, device="cpu") as engine:
        assert capfd.readouterr() == ("", "")
        assert engine.loaded.target.attention == "fused"
        assert engine.generate(ASK).token_ids == bundled_reply


@pytest.mark.slow
def test_a_quantised_one_drafts_for_another_by_its_folder(file: Path) -> None:
    with Engine.load(file.parent, file, device="cpu") as engine:
        plain = engine.generate(Request(messages=ASK.messages, max_tokens=24, speculation=Speculation(0)))
        fast = engine.generate(Request(messages=ASK.messages, max_tokens=24, speculation=Speculation(4)))
    assert plain.token_ids == fast.token_ids and fast.usage.accepted > 0


def test_its_facts_are_those_of_the_folder(file: Path) -> None:
    told, wanted = read_facts(file), read_facts("bundled", "draft")
    assert (told.parameters, told.kv_per_token) == (wanted.parameters, wanted.kv_per_token)
    assert (told.hidden, told.vocab, told.context) == (wanted.hidden, wanted.vocab, wanted.context)


def test_what_is_missing_or_damaged_is_said(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in (("short", file.read_bytes()[:5000]), ("none", b"GGUF"), ("other", b"no such file" * 99)):
        broken = tmp_path / f"{name}.gguf"
        broken.write_bytes(content)
        with pytest.raises((ModelNotFound, UnsupportedModel), match=rf"{name}\.gguf .*\.$"):
            Engine.load(broken, None, device="cpu")
    with pytest.raises(ModelNotFound, match="has 3 GGUF files; give one of them"):
        Engine.load(tmp_path, None, device="cpu")
    monkeypatch.setattr(reading, "find_spec", lambda name: None)
    with pytest.raises(UnsupportedModel, match="is a gguf model, which needs another package: pip install gguf"):
        Engine.load(file, None, device="cpu")


ASK = Request(messages=[{"role": "user", "content": "What is the capital of France?"}], max_tokens=24)


@pytest.fixture(scope="module")
def bundled_reply() -> list[int]:
    with Engine.load(draft=None, device="cpu") as engine:
        return list(engine.generate(ASK).token_ids)
