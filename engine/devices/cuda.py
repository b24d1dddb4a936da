"""NVIDIA's GPUs, and AMD's where torch is built with ROCm: it shows them as CUDA."""

from __future__ import annotations

from typing import Any

from ..config import Layout
from .backend import Reading, floats


class Cuda:
    kv: Layout = "slab"

    def names(self) -> list[str]:
        import torch

        if not torch.cuda.is_available():
            return []
        return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]

    def device(self, index: int) -> Any:
        import torch

        return torch.device("cuda", index)

    def torch_name(self, index: int) -> str:
        return f"cuda:{index}"

    def dtypes(self, index: int) -> tuple[str, ...]:
        import torch

        # Volta and older only emulate it. AMD cards all have it, and their numbers mean something else.
        return floats(bool(torch.version.hip) or torch.cuda.get_device_capability(index)[0] >= 8)

    def memory(self, index: int, name: str) -> Reading:
        import torch

        free, total = torch.cuda.mem_get_info(index)
        return total, free, torch.cuda.memory_reserved(index), torch.cuda.max_memory_reserved(index)

    def synchronize(self, index: int) -> None:
        import torch

        torch.cuda.synchronize(index)

    def give_back(self) -> None:
        import torch

        torch.cuda.empty_cache()
