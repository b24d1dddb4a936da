"""Which device is taken, what is said when it is not there, and what its memory is; every vendor is faked."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from engine import DeviceUnavailable, dxgi
from engine.devices import (
    Device,
    list_devices,
    peak_memory,
    pick_device,
    read_memory,
    selftest,
    synchronize,
    torch_device,
)
from engine.host import HostMemory

GIB = 2**30


@pytest.fixture(autouse=True)
def only_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine has, a test sees only what it fakes."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.xpu, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.delitem(sys.modules, "torch_directml", raising=False)
    monkeypatch.setattr(selftest, "trouble", lambda *device: None)


def fake_directml(monkeypatch: pytest.MonkeyPatch, *names: str, **changes: Any) -> ModuleType:
    module = ModuleType("torch_directml")
    module.is_available = lambda: bool(names)  # type: ignore[attr-defined]
    module.device_count = lambda: len(names)  # type: ignore[attr-defined]
    module.device_name = lambda i: names[i]  # type: ignore[attr-defined]
    module.device = lambda i: torch.device("meta", i)  # type: ignore[attr-defined]
    for name, value in changes.items():
        setattr(module, name, value)
    monkeypatch.setitem(sys.modules, "torch_directml", module)
    return module


def fake_cuda(monkeypatch: pytest.MonkeyPatch, count: int = 1, capability: tuple[int, int] = (9, 0)) -> None:
    cuda = torch.cuda
    monkeypatch.setattr(cuda, "is_available", lambda: True)
    monkeypatch.setattr(cuda, "device_count", lambda: count)
    monkeypatch.setattr(cuda, "get_device_name", lambda i: f"Fake {i}\x00")
    monkeypatch.setattr(cuda, "mem_get_info", lambda i: (6 * GIB, 8 * GIB))
    monkeypatch.setattr(cuda, "memory_reserved", lambda i: GIB)
    monkeypatch.setattr(cuda, "max_memory_reserved", lambda i: 2 * GIB)
    monkeypatch.setattr(cuda, "get_device_capability", lambda i: capability)
    monkeypatch.setattr(torch.version, "hip", None)


def fake_xpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_info(index: int) -> tuple[int, int]:
        raise RuntimeError("the driver does not say")

    xpu = torch.xpu
    monkeypatch.setattr(xpu, "is_available", lambda: True)
    monkeypatch.setattr(xpu, "device_count", lambda: 1)
    monkeypatch.setattr(xpu, "get_device_name", lambda i: "Fake Arc")
    monkeypatch.setattr(xpu, "mem_get_info", no_info, raising=False)
    monkeypatch.setattr(xpu, "get_device_properties", lambda i: SimpleNamespace(total_memory=4 * GIB))
    monkeypatch.setattr(xpu, "memory_reserved", lambda i: GIB, raising=False)
    monkeypatch.setattr(xpu, "max_memory_reserved", lambda i: GIB, raising=False)
    monkeypatch.setattr(xpu, "is_bf16_supported", lambda: True, raising=False)


def fake_mps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_macos_or_newer", lambda major, minor: True)
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 10 * GIB, raising=False)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: GIB)
    monkeypatch.setattr("engine.devices.mps.read_host", lambda: HostMemory(16 * GIB, 3 * GIB, GIB, GIB))


def test_the_cpu_is_always_there() -> None:
    (device,) = list_devices()
    assert (device.kind, device.spec, device.torch_name) == ("cpu", "cpu", "cpu")
    assert device.name and device.dtypes[0] == "float32"
    memory = read_memory(device)
    assert 0 < memory.process < memory.total and 0 < memory.free <= memory.total
    assert (peak_memory(device) or 0) >= memory.process // 2
    assert torch_device(device) == torch.device("cpu")
    synchronize(device)


def test_auto_prefers_directml_then_cuda_then_mps_then_xpu(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_xpu(monkeypatch)
    assert pick_device().kind == "xpu"
    fake_mps(monkeypatch)
    assert pick_device().kind == "mps"
    fake_cuda(monkeypatch)
    assert pick_device().kind == "cuda"
    fake_directml(monkeypatch, "Radeon")
    assert pick_device("auto").kind == "directml"
    assert [d.spec for d in list_devices()] == ["directml:0", "cuda:0", "mps", "xpu:0", "cpu"]
    assert pick_device("cpu").kind == "cpu"


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("cuda", "cuda:0"),
        ("CUDA:1", "cuda:1"),
        (" dml ", "privateuseone:0"),
        ("directml:1", "privateuseone:1"),
    ],
)
def test_every_device_can_be_forced(monkeypatch: pytest.MonkeyPatch, spec: str, name: str) -> None:
    fake_cuda(monkeypatch, count=2)
    fake_directml(monkeypatch, "Radeon\x00", "Intel Arc")
    assert pick_device(spec).torch_name == name


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("tpu", '"tpu" is not the name of a device; use auto or one of: cuda:0 (Fake 0), cpu ('),
        ("auto:1", '"auto:1" is not the name of a device'),
        ("cuda:-1", '"cuda:-1" is not the name of a device'),
        ("", '"" is not the name of a device'),
        ("cuda:3", 'There is no device "cuda:3" on this machine; use auto or one of: cuda:0 (Fake 0), cpu ('),
        ("cpu:1", 'There is no device "cpu:1"'),
        (
            "dml",
            'There is no device "dml" on this machine (it needs Windows and the directml extra); use auto',
        ),
    ],
)
def test_a_refusal_says_what_there_is(monkeypatch: pytest.MonkeyPatch, spec: str, said: str) -> None:
    fake_cuda(monkeypatch)
    with pytest.raises(DeviceUnavailable) as caught:
        pick_device(spec)
    assert str(caught.value).startswith(said)


def test_a_broken_driver_is_an_absent_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> bool:
        raise OSError("d3d12 refused")

    fake_directml(monkeypatch, "Radeon", is_available=broken)
    monkeypatch.setattr(torch.cuda, "is_available", broken)
    assert [d.kind for d in list_devices()] == ["cpu"]


def test_torch_directml_is_not_imported_off_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("importlib.import_module", lambda name: pytest.fail(f"imported {name}"))
    assert [d.kind for d in list_devices()] == ["cpu"]


def test_a_failing_import_on_windows_is_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    # None in sys.modules makes the import raise, as a missing DLL does.
    monkeypatch.setitem(sys.modules, "torch_directml", None)
    assert [d.kind for d in list_devices()] == ["cpu"]


def test_cuda_memory_and_dtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cuda(monkeypatch)
    device = pick_device("cuda")
    assert (device.name, device.total, device.free) == ("Fake 0", 8 * GIB, 6 * GIB)
    memory = read_memory(device)
    assert (memory.total, memory.free, memory.process) == (8 * GIB, 6 * GIB, GIB)
    assert peak_memory(device) == 2 * GIB
    assert "bfloat16" in device.dtypes
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda i: (7, 5))
    assert pick_device("cuda").dtypes == ("float32", "float16")
    monkeypatch.setattr(torch.version, "hip", "6.4")
    assert "bfloat16" in pick_device("cuda").dtypes


def test_a_device_that_does_not_tell_its_memory_is_still_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cuda(monkeypatch)

    def exclusive(index: int) -> tuple[int, int]:
        raise RuntimeError("all CUDA-capable devices are busy")

    monkeypatch.setattr(torch.cuda, "mem_get_info", exclusive)
    device = pick_device("cuda")
    assert device.total is None and device.free is None


def test_mps_shares_the_memory_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_mps(monkeypatch)
    device = pick_device("mps")
    assert (device.total, device.free) == (10 * GIB, 3 * GIB)
    assert read_memory(device).process == GIB and peak_memory(device) is None
    assert torch_device(device) == torch.device("mps")


def test_mps_of_an_older_torch_has_the_memory_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_mps(monkeypatch)
    monkeypatch.delattr(torch.mps, "recommended_max_memory")
    assert pick_device("mps").total == 16 * GIB


def test_xpu_without_memory_info_goes_by_its_total(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_xpu(monkeypatch)
    memory = read_memory(pick_device("xpu"))
    assert (memory.total, memory.free, memory.process) == (4 * GIB, 3 * GIB, GIB)


def test_directml_memory_comes_from_the_adapter_of_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [
        dxgi.Adapter("Intel Arc", 4 * GIB, 3 * GIB, 0),
        dxgi.Adapter("Radeon", 12 * GIB, 11 * GIB, 2 * GIB),
        dxgi.Adapter("Radeon", 8 * GIB, 7 * GIB, GIB),
    ]
    monkeypatch.setattr(dxgi, "adapters", lambda library=None: cards)
    fake_directml(monkeypatch, "Radeon\x00", "Radeon\x00", "Mystery")
    first, second, third = (pick_device(f"directml:{i}") for i in range(3))
    assert (first.name, first.total, first.free) == ("Radeon", 12 * GIB, 9 * GIB)
    assert (second.total, second.free) == (8 * GIB, 6 * GIB)
    assert (third.total, third.free) == (None, None) and read_memory(third).total == 0
    assert peak_memory(first) == 2 * GIB and peak_memory(third) is None
    assert first.dtypes == ("float32", "float16")
    assert torch_device(second) == torch.device("meta", 1)


def test_a_device_is_frozen() -> None:
    device = Device("cpu", 0, "CPU", "cpu", None, None, ("float32",))
    with pytest.raises(AttributeError):
        device.name = "other"  # type: ignore[misc]
