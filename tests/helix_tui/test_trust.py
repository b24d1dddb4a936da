"""Code and pickles of a model: allowed on the command line only, and only for the model that it names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scripted import ScriptedEngine

import engine
from helix_tui.cli import main
from helix_tui.sources import LiveSource

FLAGS = ["--allow-pickle", "--trust-remote-code"]
TRUST = {"allow_pickle": True, "trust_remote_code": True}


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What `Engine.load` was given."""
    given: list[dict[str, Any]] = []

    class Refusing:
        @staticmethod
        def load(*_: Any, **options: Any) -> None:
            given.append({name: value for name, value in options.items() if name in TRUST})
            raise engine.ModelNotFound("There is none; choose another.")

    monkeypatch.setattr(engine, "Engine", Refusing, raising=False)
    return given


@pytest.mark.parametrize("flags", [[], FLAGS[:1], FLAGS])
def test_the_command_line_says_it(loaded: list[dict[str, Any]], flags: list[str]) -> None:
    assert main(["ask", "Hello?", *flags]) == 1
    assert loaded == [dict(list(TRUST.items())[: len(flags)])]


def test_settings_and_environment_do_not(
    loaded: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[model]\ntrust_remote_code = true\nallow_pickle = true\n")
    monkeypatch.setenv("HELIX_CONFIG", str(file))
    monkeypatch.setenv("HELIX_TRUST_REMOTE_CODE", "1")
    main(["ask", "Hello?"])
    assert loaded == [{}]


def test_another_model_chosen_in_the_app_is_not_trusted() -> None:
    source = LiveSource("/m/one", None, loader=lambda progress, **_: ScriptedEngine(), **TRUST)
    assert source.options | TRUST == source.options
    source.change(target="/m/two", draft=None)
    source.close()
    assert source.options["target"] == "/m/two" and not set(TRUST) & set(source.options)
