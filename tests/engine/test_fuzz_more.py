"""Files of a model as bytes that nobody promised: no crash, no hang, one sentence. The same examples every time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Fast
from tokenizers import models as kinds
from tokenizers import pre_tokenizers
from transformers import PreTrainedTokenizerFast

from engine import HelixError, InvalidRequest, read_facts
from engine.models import chat, reading
from engine.models.reading import Files
from engine.models.tokenizer import Tokenizer

WORDS = ["<unk>", "<|end|>", "<|user|>", "<think>", "hi", "there", "!"]
fuzz = settings(
    max_examples=500, deadline=None, derandomize=False, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8)
values = st.recursive(scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=8), v, max_size=3))


@pytest.fixture(scope="module")
def folder(models: tiny.Models, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny llama with a tokenizer of a few words; each test puts back what it changed."""
    made = Path(shutil.copytree(models.target("llama"), tmp_path_factory.mktemp("fuzz") / "model"))
    vocab = {word: number for number, word in enumerate(WORDS)}
    vocab |= {character: len(WORDS) + number for number, character in enumerate("abcdefgh <|>/")}
    fast = Fast(kinds.BPE(vocab, [], unk_token="<unk>"))
    fast.pre_tokenizer = pre_tokenizers.Whitespace()
    words = PreTrainedTokenizerFast(tokenizer_object=fast, unk_token="<unk>", eos_token="<|end|>")
    words.add_special_tokens({"additional_special_tokens": ["<|user|>"]})
    words.add_tokens(["<think>"])
    words.save_pretrained(made)
    return made


def swallow(act: Callable[[], Any], expected: type[HelixError] = HelixError) -> None:
    """Run it: fine, or a refusal in one sentence."""
    try:
        act()
    except expected as error:
        sentence = str(error)
        assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 600, sentence


def changed(file: Path, content: bytes, act: Callable[[], Any]) -> None:
    before = file.read_bytes() if file.exists() else None
    file.write_bytes(content)
    try:
        swallow(act)
    finally:
        file.unlink() if before is None else file.write_bytes(before)


def mutated(draw: st.DrawFn, whole: dict[str, Any]) -> bytes:
    """Some of its values replaced by anything, or its text cut or changed."""
    keys = draw(st.lists(st.sampled_from(sorted(whole)), min_size=1, max_size=3))
    text = json.dumps(whole | {key: draw(values) for key in keys}).encode()
    if draw(st.integers(0, 3)) == 0:
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.binary(max_size=6)) + text[place + draw(st.integers(0, 9)) :]
    return text


def inspect(folder: Path) -> Callable[[], Any]:
    def act() -> None:
        reading.check(Files(folder))

    return act


@fuzz
@given(data=st.data())
def test_config_json(folder: Path, data: st.DataObject) -> None:
    content = data.draw(
        st.binary(max_size=60) | st.composite(mutated)(json.loads((folder / "config.json").read_text()))
    )
    changed(folder / "config.json", content, inspect(folder))
    changed(folder / "config.json", content, lambda: read_facts(folder))


@fuzz
@given(data=st.data())
def test_tokenizer_files(folder: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["tokenizer.json", "tokenizer_config.json"]))
    content = data.draw(st.binary(max_size=60) | st.composite(mutated)(json.loads((folder / name).read_text())))

    def use() -> None:
        tokenizer = Tokenizer.load(folder)
        assert tokenizer is not None
        tokenizer.check_fits(97, folder)
        tokenizer.decode(tokenizer.render([{"role": "user", "content": "hi there!"}]))

    changed(folder / name, content, use)


@fuzz
@given(content=st.binary(max_size=60) | values.map(lambda v: json.dumps({"weight_map": v}).encode()))
def test_an_index(folder: Path, content: bytes) -> None:
    whole = (folder / "model.safetensors").rename(folder / "moved")
    try:
        changed(folder / "model.safetensors.index.json", content, inspect(folder))
    finally:
        whole.rename(folder / "model.safetensors")


@fuzz
@given(content=st.binary(max_size=80), length=st.integers(0, 200))
def test_a_header_of_weights(folder: Path, content: bytes, length: int) -> None:
    changed(folder / "model.safetensors", content, inspect(folder))
    changed(folder / "model.safetensors", length.to_bytes(8, "little") + content, inspect(folder))


@fuzz
@given(tensors=st.dictionaries(st.text(max_size=5), values, max_size=3))
def test_a_header_that_is_json(folder: Path, tensors: dict[str, Any]) -> None:
    header = json.dumps(tensors).encode()
    changed(folder / "model.safetensors", len(header).to_bytes(8, "little") + header, lambda: read_facts(folder))


PARTS = [
    "{% for m in messages %}", "{% endfor %}", "{% if m.role == 'user' %}", "{% else %}", "{% endif %}",
    "{{ m.content }}",
    "{{ m['content'] | trim }}", "{{ m.content.split('<think>')[-1] }}", "{{ messages[-1].content[:3] }}", "<|user|>",
    "{{ bos_token }}", "{{ eos_token }}", "{% set ns = namespace(x=0) %}", "{% set ns.x = ns.x + 1 %}", "{{ ns.x }}",
    "{{ raise_exception('no') }}", "{% for i in range(99999) %}", "{% generation %}", "{% endgeneration %}",
    "{%- break %}",
    "{% macro f(a) %}", "{% endmacro %}", "{{ f(f) }}", "{{ messages | tojson }}", "{{ messages | length / 0 }}", "{{",
    "%}",
    "{#", "#}", "{{ self }}", "{{ ''.__class__.__mro__ }}", "{{ strftime_now('%Y') }}", "{% include 'x' %}", "\x00",
    "é",
    "{{ messages | map(attribute='content') | join('<|end|>') }}", "{% if add_generation_prompt %}", "{{ tools }}",
]  # fmt: skip
roles = st.sampled_from(["system", "user", "assistant", "tool"])
fragments = st.lists(
    st.sampled_from(["<|end|>", "<|user|>", "<|", "|>", "end", "<think>", "<", ">", "hi", " ", "\ue0f5", "{{ 1 }}"]),
    max_size=8,
)
texts = fragments.map("".join)


@fuzz
@given(
    template=st.text(max_size=30) | st.lists(st.sampled_from(PARTS), max_size=14).map("".join),
    said=st.lists(st.tuples(roles, texts), min_size=1, max_size=4),
)
def test_templates(folder: Path, monkeypatch: pytest.MonkeyPatch, template: str, said: list[tuple[str, str]]) -> None:
    monkeypatch.setattr(chat, "SECONDS", 0.4)
    tokenizer = Tokenizer.load(folder)
    assert tokenizer is not None
    tokenizer.inner.chat_template = template
    messages = [{"role": role, "content": text} for role, text in said]
    swallow(lambda: tokenizer.render(messages), InvalidRequest)


PASSING = [
    None,
    "{% for m in messages %}<|user|>{{ m.content }}<|end|>{% endfor %}<|user|>",
    "{% for m in messages %}<|user|>{{ m.content | trim }}<|end|>{% endfor %}",
    "{% for m in messages %}{{ '<|user|>' + m['content'] + eos_token }}{% endfor %}",
    "{% for m in messages %}<|user|>{{ m.content.split('<think>')[-1].lstrip() }}<|end|>{% endfor %}",
    "{% for m in messages %}<|user|>{{ m.content[:20] }}<|end|>{% endfor %}",
    "{% for m in messages %}<|user|>{{ m.content.replace('<|end|>', '') }}<|end|>{% endfor %}",
    "{{ messages | map(attribute='content') | join('<|end|>') }}",
]
"""Templates that put in what was said, each in its own way."""


@settings(fuzz, max_examples=150)
@given(template=st.sampled_from(PASSING), said=st.lists(st.tuples(roles, texts), min_size=1, max_size=3))
def test_what_is_typed_never_becomes_a_control_token(
    folder: Path, template: str | None, said: list[tuple[str, str]]
) -> None:
    tokenizer = Tokenizer.load(folder)
    assert tokenizer is not None
    tokenizer.inner.chat_template = template
    special = set(tokenizer.inner.all_special_ids) - {tokenizer.inner.unk_token_id}

    def controls(content: Callable[[str], str]) -> list[int]:
        ids = tokenizer.render([{"role": role, "content": content(text)} for role, text in said])
        return [token for token in ids if token in special]

    assert controls(lambda text: text) == controls(lambda text: "hi")
