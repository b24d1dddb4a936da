"""An engine for `helix-chat ask` that says given pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from engine import HelixError, Request
from engine.events import (
    Blocks,
    Cycle,
    DeviceMemory,
    Drafted,
    Emitted,
    Event,
    Failed,
    Finished,
    FinishReason,
    Loaded,
    Loading,
    ModelInfo,
    Prefilled,
    Started,
    Usage,
)

BLOCKS = Blocks(table=((0, 1),), length=9, shared=0, cached=(), free=255, total=256)
LOADED = Loaded(
    device="cpu",
    device_name="Fake CPU",
    target=ModelInfo("bundled", "llama", 6_500_000, "float32", 26_000_000, 6, 512, "paged"),
    draft=ModelInfo("bundled", "llama", 1_400_000, "float32", 5_000_000, 2, 512, "paged"),
    context=512,
    block_count=256,
    block_size=16,
    kv_bytes=2**20,
    target_block_bytes=4096,
    draft_block_bytes=1024,
    seconds=0.5,
    memory=DeviceMemory(2**34, 2**33, 2**28),
)


def usage(tokens: int) -> Usage:
    return Usage(9, 0, tokens, tokens, 4, 2, 0.5, 1.5, 0.1, 0.5, 20.0, 2**28)


class Script:
    """An engine that says the given pieces, one a cycle."""

    pieces: ClassVar[tuple[str, ...]] = ("The sky", " is", " blue", ".")
    refuses: ClassVar[HelixError | None] = None
    fails: ClassVar[Failed | None] = None
    during: ClassVar[Callable[[int], None] | None] = None
    """Called before each piece."""
    loads: ClassVar[list[dict[str, Any]]] = []
    requests: ClassVar[list[Request]] = []
    closed: ClassVar[int] = 0
    loaded = LOADED

    @classmethod
    def load(cls, progress: Callable[[Event], None], **options: Any) -> Script:
        cls.loads.append(options)
        if cls.refuses:
            raise cls.refuses
        progress(Loading("reading the target", 50, 100))
        progress(LOADED)
        return cls()

    def __enter__(self) -> Script:
        return self

    def __exit__(self, *error: object) -> None:
        type(self).closed += 1

    def stream(self, request: Request) -> Iterator[Event]:
        self.requests.append(request)
        self.cancelled = False
        yield Started(7, 9, 0, 4, BLOCKS)
        yield Prefilled(7, 9, 0.1, BLOCKS)
        said = ""
        reason: FinishReason = "eos"
        for index, piece in enumerate(self.pieces):
            if type(self).during:
                type(self).during(index)
            drafted = (Drafted(index, piece, 0.5, 0.5, True),)
            emitted = (Emitted(index, piece, "draft"),)
            yield Cycle(7, index, 4, drafted, 1, emitted, 0.01, 0.02, 0.03, BLOCKS, 1)
            said += piece
            if self.cancelled:
                reason = "cancelled"
                break
        if self.fails:
            yield self.fails
            return
        yield Finished(7, reason, said, usage(index + 1), BLOCKS)

    def cancel(self, request: int) -> None:
        assert request == 7
        self.cancelled = True
