"""Code and pickles that come with a model run only if that was said on the command line."""

from __future__ import annotations

import builtins
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from safetensors.torch import load_file

from engine import Engine, ModelNotFound, Request, UnsupportedModel
from engine.models.source import bundled

CODE = """
from pathlib import Path
from transformers import LlamaConfig, LlamaForCausalLM
Path({mark!r}).write_text("ran")

class MysteryConfig(LlamaConfig):
    model_type = "mystery"

class MysteryForCausalLM(LlamaForCausalLM):
    config_class = MysteryConfig
"""
PROMPT = tiny.prompt(9, 1)


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """transformers would ask on stdin, in the middle of a screen."""
    from transformers import dynamic_module_utils

    def asked(*_: object) -> str:
        raise AssertionError("asked on stdin")

    monkeypatch.setattr(builtins, "input", asked)
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """Written when the folder's code runs."""
    return tmp_path / "mark"


@pytest.fixture
def folder(models: tiny.Models, tmp_path: Path, mark: Path) -> Path:
    made = Path(shutil.copytree(models.target("llama"), tmp_path / "own"))
    (made / "code.py").write_text(CODE.format(mark=str(mark)))
    (made / "own_model.py").write_text(CODE.format(mark=str(mark)))
    own = {"AutoConfig": "own_model.MysteryConfig", "AutoModelForCausalLM": "own_model.MysteryForCausalLM"}
    rewrite(made / "config.json", model_type="mystery", auto_map=own)
    return made


def rewrite(file: Path, **values: Any) -> None:
    file.write_text(json.dumps((json.loads(file.read_text()) if file.exists() else {}) | values))


def test_a_model_with_code_of_its_own_is_refused_and_the_flag_named(folder: Path, mark: Path) -> None:
    with pytest.raises(UnsupportedModel, match=r"Python code of its own; .* --trust-remote-code\.$"):
        Engine.load(folder, None, device="cpu")
    with pytest.raises(UnsupportedModel, match="--trust-remote-code"):
        Engine.load("bundled", folder, device="cpu")
    assert not mark.exists()


def test_when_it_is_allowed_it_runs(models: tiny.Models, folder: Path, mark: Path) -> None:
    with Engine.load(folder, None, device="cpu", trust_remote_code=True) as engine:
        assert engine.loaded.target.architecture == "mystery"
        got = engine.generate(Request(prompt_ids=PROMPT, max_tokens=8)).token_ids
    assert got == tiny.greedy(tiny.load(models.target("llama")), PROMPT, 8)
    assert mark.read_text() == "ran"


def test_of_an_architecture_that_transformers_has_its_own_code_runs(folder: Path, mark: Path) -> None:
    rewrite(folder / "config.json", model_type="llama")
    Engine.load(folder, None, device="cpu").close()
    assert not mark.exists()


def test_a_tokenizer_with_code_of_its_own_does_not_run_it(tmp_path: Path, mark: Path) -> None:
    folder = Path(shutil.copytree(bundled("target"), tmp_path / "own"))
    (folder / "own_words.py").write_text(CODE.format(mark=str(mark)))
    own = {"auto_map": {"AutoTokenizer": ["own_words.Slow", "own_words.Fast"]}, "tokenizer_class": "Fast"}
    rewrite(folder / "tokenizer_config.json", **own)
    with pytest.raises(UnsupportedModel, match="--trust-remote-code"):
        Engine.load(folder, None, device="cpu")
    assert not mark.exists()


class Trap:
    """A pickle that does something when it is opened."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._mark),)


@pytest.fixture
def pickled(models: tiny.Models, tmp_path: Path) -> Path:
    made = Path(shutil.copytree(models.target("llama"), tmp_path / "pickled"))
    torch.save(load_file(made / "model.safetensors"), made / "pytorch_model.bin")
    (made / "model.safetensors").unlink()
    return made


def test_pickles_only_when_they_are_allowed(models: tiny.Models, pickled: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"only as pickles .*--allow-pickle"):
        Engine.load(pickled, None, device="cpu")
    with Engine.load(pickled, None, device="cpu", allow_pickle=True) as engine:
        got = engine.generate(Request(prompt_ids=PROMPT, max_tokens=8)).token_ids
    assert got == tiny.greedy(tiny.load(models.target("llama")), PROMPT, 8)


def test_what_a_pickle_carries_never_runs(pickled: Path, mark: Path) -> None:
    torch.save({"model.embed_tokens.weight": Trap(mark)}, pickled / "pytorch_model.bin")
    with pytest.raises(ModelNotFound, match="cannot be read"):
        Engine.load(pickled, None, device="cpu", allow_pickle=True)
    assert not mark.exists()


def test_pickles_beside_safetensors_are_left_alone(models: tiny.Models, tmp_path: Path, mark: Path) -> None:
    folder = Path(shutil.copytree(models.target("llama"), tmp_path / "both"))
    torch.save({"x": Trap(mark)}, folder / "pytorch_model.bin")
    for allowed in (False, True):
        Engine.load(folder, None, device="cpu", allow_pickle=allowed).close()
    assert not mark.exists()
