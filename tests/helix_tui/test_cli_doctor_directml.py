"""`helix-chat doctor --directml`: a line for each check, and an exit that says whether to trust the device."""

from __future__ import annotations

import sys

import pytest
from directml_device import emulated

from engine.devices import selftest
from engine.kv import explicit
from engine.models import selfcheck
from helix_tui.cli import main


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "_found", {})


def test_without_such_a_device_it_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch_directml", raising=False)
    assert main(["doctor", "--directml"]) == 1
    out = capsys.readouterr().out
    assert out.count("\n") == 1 and "it needs Windows and the directml extra" in out


def test_an_emulated_device_passes(capsys: pytest.CaptureFixture[str]) -> None:
    with emulated("Fake Radeon"):
        assert main(["doctor", "--directml"]) == 0
    out = capsys.readouterr().out
    assert "directml:0 (Fake Radeon), KV in blocks" in out and "144 of 144" in out and "FAIL" not in out
    for name in ("int64 copy", "slice read", "cat", "index_select", "where", "float16 matmul", "argmax", "memory"):
        assert name in out


def test_wrong_attention_fails(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # At load such an attention would be seen and another taken.
    monkeypatch.setattr(selfcheck, "_agree", lambda *args: True)
    monkeypatch.setattr(explicit, "_attend", lambda query, keys, values, mask, softcap: query * 0)
    assert main(["doctor", "--directml", "--device", "cpu"]) == 1
    out = capsys.readouterr().out
    assert "FAIL  same tokens as cpu" in out and "Something is wrong" in out
