"""Before `auto` takes a device it must compute what the CPU does; one that does not is skipped, with the reason."""

from __future__ import annotations

import sys

import pytest
import torch
from directml_device import HERE, Dml, emulated, fake_module

from engine.devices import check_device, list_devices, pick_device, selftest, trouble, usable_devices
from helix_tui.cli import main


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "_found", {})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.xpu, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_a_right_device_is_taken_and_every_check_is_told() -> None:
    with emulated("Radeon\x00", "Arc") as guard:
        assert [d.spec for d in usable_devices()] == ["directml:0", "directml:1", "cpu"]
        picked = pick_device("auto")
        assert (picked.spec, picked.name, picked.kv) == ("directml:0", "Radeon", "blocks")
        told = {check.name: check.passed for check in check_device(picked)}
        assert all(told.values()) and {"slice write", "cat", "float16 matmul", "argmax"} <= set(told)
        assert not [check for check in check_device(picked) if check.name == "slice write" and check.needed]
        assert len(guard.threads) == 1


def test_no_device_and_a_failing_import_leave_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_directml", fake_module())
    assert pick_device("auto").kind == "cpu"
    monkeypatch.setitem(sys.modules, "torch_directml", None)
    assert pick_device("auto").kind == "cpu"


def test_wrong_numbers_are_skipped_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = Dml.__torch_dispatch__.__func__  # type: ignore[attr-defined]

    def wrong(cls: type, func: object, types: object, args: tuple = (), kwargs: dict | None = None) -> object:  # type: ignore[type-arg]
        result = right(cls, func, types, args, kwargs)
        return result + 1 if "cat" in str(func) else result

    monkeypatch.setattr(Dml, "__torch_dispatch__", classmethod(wrong))
    with emulated("Radeon"):
        (device, _) = list_devices()
        assert (trouble(device) or "").startswith("cat: wrong by")
        assert pick_device("auto").kind == "cpu"
        assert pick_device("directml").name == "Radeon", "asked for by name it is given"
        assert main(["doctor"]) == 0
        assert "skipped by auto (cat: wrong by" in capsys.readouterr().out


def test_what_a_driver_raises_is_the_reason() -> None:
    def suspended(index: int) -> torch.device:
        raise RuntimeError("GPU device instance has been suspended\nmore")

    with emulated("Radeon", device=suspended):
        (device, _) = list_devices()
        assert trouble(device) == "int64 copy: GPU device instance has been suspended"
        assert usable_devices()[0].kind == "cpu"
    assert HERE.type == "privateuseone"
