"""Device "auto": the next device takes over where a model does not fit or comes out wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny

from engine import Engine, HelixError, OutOfMemory, UnsupportedModel, pick_device
from engine.models import load


@pytest.mark.parametrize("error", [OutOfMemory("too big"), UnsupportedModel("wrong numbers"), RuntimeError("driver")])
def test_auto_falls_back_to_the_cpu_and_says_why(
    models: tiny.Models, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    cpu = pick_device("cpu")
    broken = replace(cpu, kind="cuda", name="Broken card")
    monkeypatch.setattr(load, "usable_devices", lambda: [broken, cpu])
    really_load = load._load

    def fail_on_card(folder: object, role: str, device: object, *rest: object) -> object:
        if device is broken:
            raise error
        return really_load(folder, role, device, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(load, "_load", fail_on_card)
    said: list[str] = []
    with Engine.load(
        models.target("llama"), None, progress=lambda event: said.append(getattr(event, "stage", ""))
    ) as engine:
        assert engine.loaded.device == "cpu"
    assert any("Broken card" in stage and str(error) in stage for stage in said)


def test_a_device_that_was_asked_for_is_not_replaced(models: tiny.Models, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OutOfMemory("too big")

    monkeypatch.setattr(load, "_load", fail)
    with pytest.raises(HelixError, match="too big"):
        Engine.load(models.target("llama"), None, device="cpu")
