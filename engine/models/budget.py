"""How many blocks a KV pool gets: the bytes that were asked for, or what chats want within a share of what is free."""

from __future__ import annotations

from ..facts import PoolRule
from ..kv.blocks import BLOCK_SIZE

CHAT_TOKENS = 8192
"""Room that the KV pool should have for chats, if memory allows."""
SHARE = 4
"""The KV pool takes at most one part in this many of the free memory, unless it is told how much."""


def pool_blocks(each: int, context: int, asked: int | None, free: int) -> int:
    """Blocks of `each` bytes, target's and draft's together. `free` is what the weights leave; 0 when nobody knows."""
    if asked is not None:
        return asked // each
    wanted = chat_blocks(context)
    return min(wanted, free // SHARE // each) if free else wanted


def chat_blocks(context: int) -> int:
    """What chats want; two at least, without which there is no pool."""
    return max(2, -(-min(max(CHAT_TOKENS, context), 8 * context) // BLOCK_SIZE))


def rule(blocks: int, context: int, asked: int | None) -> PoolRule:
    """What decided that the pool has so many blocks."""
    return "asked" if asked is not None else "chats" if blocks >= chat_blocks(context) else "share"
