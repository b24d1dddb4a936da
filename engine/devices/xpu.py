"""Intel's GPUs under torch's own XPU backend."""

from __future__ import annotations

from typing import Any

from ..config import Layout
from .backend import Reading, floats, quietly


class Xpu:
    kv: Layout = "slab"

    def names(self) -> list[str]:
        import torch

        if not torch.xpu.is_available():
            return []
        return [torch.xpu.get_device_name(i) for i in range(torch.xpu.device_count())]

    def device(self, index: int) -> Any:
        import torch

        return torch.device("xpu", index)

    def torch_name(self, index: int) -> str:
        return f"xpu:{index}"

    def dtypes(self, index: int) -> tuple[str, ...]:
        import torch

        return floats(quietly(lambda: torch.xpu.is_bf16_supported(), True))

    def memory(self, index: int, name: str) -> Reading:
        import torch

        total = torch.xpu.get_device_properties(index).total_memory
        # torch 2.4 counts nothing, and before 2.6, or with some drivers, only the total can be had.
        reserved = quietly(lambda: torch.xpu.memory_reserved(index), 0)
        peak = quietly(lambda: torch.xpu.max_memory_reserved(index), None)
        free, total = quietly(lambda: torch.xpu.mem_get_info(index), (max(total - reserved, 0), total))
        return total, free, reserved, peak

    def synchronize(self, index: int) -> None:
        import torch

        torch.xpu.synchronize(index)

    def give_back(self) -> None:
        import torch

        torch.xpu.empty_cache()
