"""Apple's GPU, whose memory is the machine's own."""

from __future__ import annotations

from typing import Any

from ..config import Layout
from ..host import cpu_name, read_host
from .backend import Reading, floats, quietly


class Mps:
    kv: Layout = "slab"

    def names(self) -> list[str]:
        import torch

        return [cpu_name()] if torch.backends.mps.is_available() else []

    def device(self, index: int) -> Any:
        import torch

        return torch.device("mps")

    def torch_name(self, index: int) -> str:
        return "mps"

    def dtypes(self, index: int) -> tuple[str, ...]:
        import torch

        return floats(torch.backends.mps.is_macos_or_newer(14, 0))

    def memory(self, index: int, name: str) -> Reading:
        import torch

        process = torch.mps.driver_allocated_memory()
        # torch 2.4 does not tell how much Metal recommends.
        total = quietly(lambda: torch.mps.recommended_max_memory(), read_host().total)
        return total, max(min(total - process, read_host().available), 0), process, None

    def synchronize(self, index: int) -> None:
        import torch

        torch.mps.synchronize()

    def give_back(self) -> None:
        import torch

        torch.mps.empty_cache()
