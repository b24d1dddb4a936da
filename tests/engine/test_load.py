"""Finding and loading models: what works, and one sentence that says what to do where it cannot."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import tiny

from engine import (
    DeviceUnavailable,
    Engine,
    HelixError,
    IncompatibleDraft,
    InvalidRequest,
    ModelNotFound,
    OutOfMemory,
    Request,
    Sampling,
    Speculation,
    UnsupportedModel,
)
from engine.events import Event, Loaded, Loading
from engine.models.source import bundled


@pytest.fixture
def broken(models: tiny.Models, tmp_path: Path) -> Path:
    """A copy of a good folder, to be damaged."""
    return Path(shutil.copytree(models.target("llama"), tmp_path / "model"))


def refused(kind: type[HelixError], words: str, *args: Any, **settings: Any) -> None:
    with pytest.raises(kind, match=words) as caught:
        Engine.load(*args, **{"device": "cpu", **settings}).close()
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence


@pytest.mark.parametrize("name", ["/nowhere/model", "./nowhere", "~/nowhere-at-all", "a/b/c", "C:\\models\\x"])
def test_no_such_folder(name: str) -> None:
    refused(ModelNotFound, "There is no folder .*; give a folder", name)


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    refused(ModelNotFound, "has no config.json", tmp_path)
    (tmp_path / "config.json").write_text("{}")
    refused(ModelNotFound, "has no weights", tmp_path)


@pytest.mark.parametrize("dtype", [None, "float32"])
@pytest.mark.parametrize("text", ["{", "", "[]", '{"model_type": "no_such_kind"}', '{"vocab_size": 5}', "\x00\x01"])
def test_a_damaged_config(broken: Path, text: str, dtype: str | None) -> None:
    (broken / "config.json").write_text(text)
    refused(HelixError, "damaged|cannot be read|no causal language model", broken, dtype=dtype)
    refused(HelixError, "damaged|cannot be read|no causal language model|tokens", broken, broken, dtype=dtype)


def test_damaged_weights(broken: Path) -> None:
    weights = broken / "model.safetensors"
    whole = weights.read_bytes()
    for cut in (0, 5, len(whole) // 2):
        weights.write_bytes(whole[:cut])
        refused(ModelNotFound, "model.safetensors .*cannot be read.*; download it again", broken)


def test_a_damaged_tokenizer(broken: Path) -> None:
    (broken / "tokenizer.json").write_text("{")
    refused(ModelNotFound, "tokenizer in .* cannot be read .*; download", broken)


def test_settings_of_a_tokenizer_that_are_wrong_in_use(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bundled("draft"), tmp_path / "draft"))
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"model_max_length": []}))
    refused(ModelNotFound, "tokenizer in .* cannot be read", folder)


def test_a_model_that_is_no_language_model(broken: Path) -> None:
    (broken / "config.json").write_text(json.dumps({"model_type": "vit", "hidden_size": 32}))
    refused(UnsupportedModel, "no causal language model", broken)


def test_unknown_device_dtype_and_setting(models: tiny.Models) -> None:
    folder = models.target("llama")
    refused(DeviceUnavailable, '"gpu9" is not the name of a device; use auto or one of: cpu', folder, device="gpu9")
    refused(DeviceUnavailable, 'no device "cuda:77" on this machine', folder, device="cuda:77")
    refused(InvalidRequest, "no dtype float7; use float32", folder, dtype="float7")
    refused(InvalidRequest, "There is no setting speed", folder, speed=3)
    refused(InvalidRequest, "max_running is 0", folder, max_running=0)
    refused(OutOfMemory, "give kv_memory more", folder, kv_memory=100)


def test_bad_requests_say_what_to_do(pair: Engine) -> None:
    wrong: list[Callable[[], Any]] = [
        lambda: Request(prompt=""),
        lambda: Request(prompt_ids=[]),
        lambda: Request(messages=[]),
        lambda: Request(messages=[{"role": "user", "content": "  "}]),
        lambda: Request(messages=[{"role": "wizard", "content": "hi"}]),
        lambda: Request(messages=[{"role": "user"}]),
        lambda: Request(),
        lambda: Request(prompt="a", prompt_ids=[1]),
        lambda: Request(prompt="a", max_tokens=0),
        lambda: Request(prompt="a", stop=[""]),
        lambda: Request(prompt="a", seed=-1),
        lambda: Sampling(temperature=-0.1),
        lambda: Sampling(temperature=float("nan")),
        lambda: Sampling(top_p=0),
        lambda: Sampling(top_k=-1),
        lambda: Speculation(depth=17),
        lambda: Speculation(depth=-1),
        lambda: Speculation(verifier="magic"),  # type: ignore[arg-type]
        lambda: pair.generate(Request(prompt_ids=[1, tiny.VOCAB])),
        lambda: pair.generate(Request(prompt="this model has no tokenizer")),
        lambda: pair.generate(Request(prompt_ids=[1], stop=["x"])),
    ]
    for make in wrong:
        with pytest.raises(InvalidRequest) as caught:
            make()
        assert str(caught.value).endswith(".")
        assert len(str(caught.value).split()) > 4


def test_a_draft_with_another_tokenizer_is_refused_with_the_token(tmp_path: Path) -> None:
    draft = Path(shutil.copytree(bundled("draft"), tmp_path / "draft"))
    text = json.loads((draft / "tokenizer.json").read_text(encoding="utf-8"))
    vocab = text["model"]["vocab"]
    a, b = sorted((token for token in vocab if token.isalpha() and len(token) == 1), key=vocab.__getitem__)[:2]
    vocab[a], vocab[b] = vocab[b], vocab[a]
    (draft / "tokenizer.json").write_text(json.dumps(text), encoding="utf-8")
    refused(IncompatibleDraft, rf"token '{a}' is number {vocab[a]} there and {vocab[b]} here; choose", "bundled", draft)


def test_a_draft_that_splits_text_otherwise_is_refused(tmp_path: Path) -> None:
    draft = Path(shutil.copytree(bundled("draft"), tmp_path / "draft"))
    text = json.loads((draft / "tokenizer.json").read_text(encoding="utf-8"))
    text["model"]["merges"] = text["model"]["merges"][:100]
    (draft / "tokenizer.json").write_text(json.dumps(text), encoding="utf-8")
    refused(IncompatibleDraft, "splits text into other tokens", "bundled", draft)


def test_without_tokenizers_the_sizes_must_be_equal(models: tiny.Models, tmp_path: Path) -> None:
    wide = tiny.save(tiny.build("llama", vocab_size=112), tmp_path)
    refused(IncompatibleDraft, "The draft has 112 tokens and the target 97; choose", models.target("llama"), wide)


def test_no_draft_means_no_speculation(models: tiny.Models) -> None:
    for settings in ({}, {"draft": None}):
        with Engine.load(models.target("llama"), device="cpu", **settings) as engine:
            assert engine.loaded.draft is None
            usage = engine.generate(Request(prompt_ids=[5, 6], max_tokens=5, speculation=Speculation(8))).usage
            assert (usage.drafted, usage.cycles, usage.acceptance_rate) == (0, 5, None)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("context", [24, 40])
def test_a_model_with_little_context(tmp_path: Path, kind: str, context: int) -> None:
    """Checking and timing it must not go past its end."""
    name = "n_positions" if kind == "gpt2" else "max_position_embeddings"
    folder = tiny.save(tiny.build(kind, **{name: context}), tmp_path)
    with Engine.load(folder, folder, device="cpu") as engine:
        assert engine.loaded.context == context
        reply = engine.generate(Request(prompt_ids=[5, 6, 7]))
        assert (len(reply.token_ids), reply.finish_reason) == (context - 3, "context")
        assert reply.token_ids[:-1] == tiny.greedy(tiny.load(folder), [5, 6, 7], context - 4)


def test_loading_tells_its_progress_and_prints_nothing(models: tiny.Models, capfd: pytest.CaptureFixture[str]) -> None:
    events: list[Event] = []
    pair = (models.target("llama"), models.near("llama"))
    capfd.readouterr()
    with Engine.load(*pair, device="cpu", progress=events.append, kv_memory=2**20) as engine:
        assert capfd.readouterr() == ("", "")
        loaded = engine.loaded
    assert events[-1] == loaded
    assert len(events) > 3
    assert all(isinstance(event, Loading) for event in events[:-1])
    assert isinstance(loaded, Loaded)
    assert loaded.draft is not None
    assert (loaded.target.architecture, loaded.target.dtype, loaded.target.layers) == ("llama", "float32", 3)
    assert loaded.context == 160
    each = loaded.target_block_bytes + loaded.draft_block_bytes
    assert loaded.block_count == 2**20 // each
    assert loaded.kv_bytes == loaded.block_count * each <= 2**20
    weights = tiny.load(pair[0])
    assert loaded.target.parameters == sum(p.numel() for p in weights.parameters())
    assert loaded.target.bytes == pytest.approx(4 * loaded.target.parameters, rel=0.02)


def test_the_bundled_pair_is_found_from_anywhere(tmp_path: Path) -> None:
    code = "from engine.models.source import bundled; print(bundled('target'), bundled('draft'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    for folder in done.stdout.split():
        assert (Path(folder) / "model.safetensors").is_file()


class Hub:
    """Stands in for the hub's functions; `files` is the folder it has."""

    def __init__(self, files: Path, monkeypatch: pytest.MonkeyPatch, *, here: bool = False) -> None:
        self.files, self.here, self.asked = files, here, []
        monkeypatch.setattr(huggingface_hub, "snapshot_download", self.download)
        monkeypatch.setattr(huggingface_hub, "HfApi", lambda: self)

    def model_info(self, repository: str, **settings: Any) -> SimpleNamespace:
        if repository != "org/model":
            raise OSError("404: no such repository\nmore lines")
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=path.name) for path in self.files.iterdir()])

    def download(self, repository: str, *, local_files_only: bool = False, **settings: Any) -> str:
        if local_files_only:
            if not self.here:
                raise FileNotFoundError("not in the cache")
            return str(self.files)
        self.asked.append(settings["allow_patterns"])
        bar = settings["tqdm_class"]
        bar.get_lock()
        # As huggingface_hub does it: two bars count the same bytes, and their totals come later.
        network, disk = bar(total=0, unit="B", desc="Downloading"), bar(total=0, unit="B", desc="Reconstructing")
        with bar(total=2, desc="Fetching 2 files") as files:
            for _ in range(2):
                for each in (network, disk):
                    each.total += 500
                disk.refresh()
                for n in (200, 300):
                    network.update(n)
                    disk.update(n)
                    disk.set_postfix_str("fast", refresh=False)
                files.update(1)
        return str(self.files)


def test_a_hub_id_is_downloaded_with_progress(
    models: tiny.Models, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    hub = Hub(models.target("llama"), monkeypatch)
    events: list[Event] = []
    capfd.readouterr()
    with Engine.load("org/model", device="cpu", progress=events.append) as engine:
        assert engine.loaded.target.name == "org/model"
    assert capfd.readouterr() == ("", "")
    assert len(hub.asked) == 1
    assert "*.safetensors" in hub.asked[0]
    assert "*.bin" not in str(hub.asked[0])
    steps = [(e.done, e.total) for e in events if isinstance(e, Loading) and e.stage.startswith("downloading")]
    assert steps[-1] == (1000, 1000)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert any(done < total for done, total in steps)
    assert all(done <= total for done, total in steps)


def test_what_is_in_the_hubs_cache_needs_no_network(models: tiny.Models, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(models.target("llama"), monkeypatch, here=True)
    with Engine.load("org/model", device="cpu"):
        assert hub.asked == []


def test_an_unknown_hub_id(models: tiny.Models, monkeypatch: pytest.MonkeyPatch) -> None:
    Hub(models.target("llama"), monkeypatch)
    refused(ModelNotFound, r"org/other is no folder here .*404: no such repository\); check the name", "org/other")
    refused(ModelNotFound, "check the name", "-not a name-")
