"""The processor, which is always there."""

from __future__ import annotations

from typing import Any

from ..config import Layout
from ..host import cpu_name, read_host
from .backend import Reading, floats


class Cpu:
    kv: Layout = "slab"

    def names(self) -> list[str]:
        return [cpu_name()]

    def device(self, index: int) -> Any:
        import torch

        return torch.device("cpu")

    def torch_name(self, index: int) -> str:
        return "cpu"

    def dtypes(self, index: int) -> tuple[str, ...]:
        return floats(True)

    def memory(self, index: int, name: str) -> Reading:
        host = read_host()
        return host.total, host.available, host.resident, host.peak

    def synchronize(self, index: int) -> None:
        """Nothing runs behind its back."""

    def give_back(self) -> None:
        """Freed memory is the machine's at once."""
