"""Any DirectX 12 GPU on Windows, by torch-directml: the way to those of AMD and Intel."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from .. import dxgi, pdh
from ..config import Layout
from .backend import UNKNOWN, Reading, floats


class DirectMl:
    kv: Layout = "blocks"

    def names(self) -> list[str]:
        module = load()
        if module is None or not module.is_available():
            return []
        return [str(module.device_name(i)) for i in range(module.device_count())]

    def device(self, index: int) -> Any:
        # torch knows the name of such a device only after torch_directml was imported.
        return load().device(index)

    def torch_name(self, index: int) -> str:
        return f"privateuseone:{index}"

    def dtypes(self, index: int) -> tuple[str, ...]:
        return floats(False)  # bfloat16 is not an error there but the end of the process.

    def memory(self, index: int, name: str) -> Reading:
        adapter = dxgi.find(name, self._twins_before(index, name))
        if adapter is None:
            return UNKNOWN
        free = adapter.budget - adapter.usage
        used = pdh.used(adapter.luid, shared=adapter.shared)
        if used is not None:
            free = min(free, adapter.total - used)  # A budget follows what others take only after a while.
        # DirectML never gives memory back, so what it holds is also the most that it held.
        return adapter.total, max(free, 0), adapter.usage, adapter.usage

    def synchronize(self, index: int) -> None:
        """There is no such call, but work is done in order and a copy to the CPU waits for its own."""
        import torch

        torch.zeros(1).to(self.device(index)).cpu()

    def give_back(self) -> None:
        """There is no such call either: memory is the process's until it ends."""

    def _twins_before(self, index: int, name: str) -> int:
        """How many devices before this one have its name."""
        return [tidy(other) for other in self.names()[:index]].count(name)


def load() -> Any:
    """The torch_directml module, or None. Off Windows its import fails, or asking it for devices crashes."""
    if sys.platform != "win32" and "torch_directml" not in sys.modules:
        return None
    try:
        return importlib.import_module("torch_directml")
    except Exception:
        return None


def tidy(name: str) -> str:
    """Without the NUL that some drivers end it with."""
    return name.replace("\x00", "").strip()
