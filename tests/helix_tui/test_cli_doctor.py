"""`helix-chat doctor`: every section is there, and no probe can hide the others."""

from __future__ import annotations

import json
from importlib import metadata
from types import SimpleNamespace
from typing import Any

import pytest

import engine
from engine.models.quantize import Int8Support
from helix_tui.cli import main


def test_doctor_prints_every_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["versions"]["helix-chat"] == metadata.version("helix-chat")
    assert "cpu" in found["devices"] and "float32" in found["devices"]["cpu"]["dtypes"]
    assert found["models"]["bundled target"]["parameters"] > found["models"]["bundled draft"]["parameters"] > 0
    assert found["would use"]["target"] == "bundled" and found["would use"]["device"]
    assert set(found["extras"]) == {"directml", "serve", "bench", "test"}
    assert {"logs", "data", "config", "hub cache", "timings"} == set(found["folders"])
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n{title}\n" in "\n" + out for title in found) and "\x1b" not in out


def test_a_probe_that_fails_hides_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*args: Any) -> Any:
        raise RuntimeError("no driver")

    monkeypatch.setattr(engine, "list_devices", broken)
    monkeypatch.setattr(engine, "pick_device", broken)
    monkeypatch.setattr("huggingface_hub.scan_cache_dir", broken)
    monkeypatch.setattr("engine.host.cpu_name", broken)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert out.count("not known (RuntimeError: no driver)") == 4 and "bundled target" in out


def test_models_in_the_hub_cache_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repos = [
        SimpleNamespace(repo_type="model", repo_id="org/model", size_on_disk=3 * 2**30),
        SimpleNamespace(repo_type="dataset", repo_id="org/data", size_on_disk=1),
    ]
    monkeypatch.setattr("huggingface_hub.scan_cache_dir", lambda: SimpleNamespace(repos=repos))
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "org/model" in out and "3.0 GiB" in out and "org/data" not in out


@pytest.mark.parametrize(
    ("support", "said"),
    [
        (None, "no int8 linears for this processor; models run in bfloat16 or float32"),
        (Int8Support("fbgemm", True), "fbgemm, faster than float32"),
        (Int8Support("oneDNN signed", False), "oneDNN signed, slower than float32: only if asked for"),
    ],
)
def test_int8_is_told_and_what_runs_without_it(
    support: Int8Support | None, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine, "int8_support", lambda: support)
    assert main(["doctor"]) == 0
    assert said in capsys.readouterr().out
