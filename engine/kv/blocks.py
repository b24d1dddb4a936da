"""Who owns which block: allocation, reference counts and the prefix index. Knows no tensor.

A block is free, held by one or more sequences, or cached: held by nobody, but its text is remembered in the index until
the room is needed. The index maps a chained hash of a block's tokens and all before it to the block that has their KV.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from hashlib import blake2b

from ..errors import OutOfMemory

BLOCK_SIZE = 16
ROOT = b""
Runs = tuple[tuple[int, int], ...]
"""(first, count) pairs, of blocks or of slots (token places)."""


def runs(numbers: Sequence[int]) -> Runs:
    """Consecutive numbers joined: 4 5 6 9 is ((4, 3), (9, 1))."""
    if numbers and list(numbers) == list(range(numbers[0], numbers[0] + len(numbers))):
        return ((numbers[0], len(numbers)),)  # As nearly always, and a hundred times as fast.
    joined: list[tuple[int, int]] = []
    for n in numbers:
        if joined and n == sum(joined[-1]):
            joined[-1] = (joined[-1][0], joined[-1][1] + 1)
        else:
            joined.append((n, 1))
    return tuple(joined)


def chain(parent: bytes, tokens: Sequence[int]) -> bytes:
    """The key of a full block of `tokens` that follows the block of key `parent`."""
    return blake2b(array("q", tokens).tobytes(), digest_size=16, key=parent).digest()


def pool_full(total: int) -> OutOfMemory:
    return OutOfMemory(
        f"The KV pool's {total} blocks of {BLOCK_SIZE} tokens are not enough for this; "
        "shorten the chat, run fewer requests at once or give kv_memory more bytes."
    )


class BlockAllocator:
    """Hands out block numbers 0 .. total-1, consecutive ones where it can, so that a sequence can be read as a view."""

    def __init__(self, total: int, *, remember: bool = True) -> None:
        self.total = total
        self.remembers = remember
        """Whether text that nobody holds any more is kept for the next request that begins with it."""
        self._references = [0] * total
        self._free = bytearray(b"\1" * total)
        self._free_count = total
        self._index: dict[bytes, int] = {}
        self._key: dict[int, bytes] = {}
        self._cached: OrderedDict[int, None] = OrderedDict()
        """Held by nobody, oldest first: the order of eviction."""
        self._cached_runs: Runs | None = None
        """Of them in order; None once they changed."""

    @property
    def free(self) -> int:
        """Blocks without any content worth keeping."""
        return self._free_count

    @property
    def available(self) -> int:
        """Blocks that `take` can hand out: free, or cached and evictable."""
        return self._free_count + len(self._cached)

    @property
    def cached(self) -> Iterable[int]:
        """Blocks that only the prefix index knows."""
        return self._cached.keys()

    @property
    def cached_runs(self) -> Runs:
        """The same in order. Asked in every cycle, and rarely another answer."""
        if self._cached_runs is None:
            self._cached_runs = runs(sorted(self._cached))
        return self._cached_runs

    def references(self, block: int) -> int:
        return self._references[block]

    def writable(self, block: int) -> bool:
        """Whether its holder may change it: nobody else holds it and the index does not promise its content."""
        return self._references[block] == 1 and block not in self._key

    def take(self, after: int | None = None) -> int:
        """A block with one reference: the one following `after` where that is free, else one with room to grow.

        Raises OutOfMemory when every block is held.
        """
        if after is not None and after + 1 < self.total and self._free[after + 1]:
            block = after + 1
        elif self._free_count:
            block = self._roomy()
        elif self._cached:
            block = next(iter(self._cached))
            self._forget(block)
        else:
            raise pool_full(self.total)
        if self._free[block]:
            self._free[block] = 0
            self._free_count -= 1
        self._references[block] = 1
        return block

    def hold(self, block: int) -> None:
        """One more reference to a block that is held or cached."""
        if block in self._cached:
            del self._cached[block]
            self._cached_runs = None
        self._references[block] += 1

    def release(self, blocks: Iterable[int]) -> None:
        """One reference less to each. Give a sequence's blocks last to first: the end of a text is evicted first."""
        for block in blocks:
            self._references[block] -= 1
            if self._references[block]:
                continue
            if block in self._key:
                self._cached[block] = None
                self._cached_runs = None
            else:
                self._free[block] = 1
                self._free_count += 1

    def publish(self, block: int, key: bytes) -> None:
        """Remember that `block` has the KV of the text behind `key`, unless another block has it already."""
        if self.remembers and key not in self._index and block not in self._key:
            self._index[key] = block
            self._key[block] = key

    def unpublish(self, block: int) -> None:
        """Stop promising the content of a block that its only holder is about to change."""
        key = self._key.pop(block, None)
        if key is not None:
            del self._index[key]

    def match(self, tokens: Sequence[int]) -> tuple[list[int], list[bytes]]:
        """The longest known chain of full blocks that `tokens` begins with, each held once more, and their keys."""
        blocks: list[int] = []
        keys: list[bytes] = []
        parent = ROOT
        for start in range(0, len(tokens) - BLOCK_SIZE + 1, BLOCK_SIZE):
            parent = chain(parent, tokens[start : start + BLOCK_SIZE])
            block = self._index.get(parent)
            if block is None:
                break
            self.hold(block)
            blocks.append(block)
            keys.append(parent)
        return blocks, keys

    def forget_all(self) -> None:
        """Free every cached block."""
        for block in list(self._cached):
            self._forget(block)

    def _forget(self, block: int) -> None:
        del self._cached[block]
        self._cached_runs = None
        self.unpublish(block)
        self._free[block] = 1
        self._free_count += 1

    def _roomy(self) -> int:
        """Where a new sequence can grow longest: the largest free run, at its middle if a neighbour may grow there."""
        best_start = best_length = 0
        start = self._free.find(1)
        while start >= 0:
            end = self._free.find(0, start)
            end = self.total if end < 0 else end
            if end - start > best_length:
                best_start, best_length = start, end - start
            start = self._free.find(1, end)
        neighbour = best_start and self._references[best_start - 1]
        return best_start + best_length // 2 if neighbour else best_start


class BlockTable:
    """One sequence's blocks in one pool: `length` tokens have their KV in `blocks`."""

    def __init__(self, allocator: BlockAllocator) -> None:
        self._allocator = allocator
        self.blocks: list[int] = []
        self.length = 0
        self.shared = 0
        """Leading blocks that came from the prefix index."""
        self._keys: list[bytes] = []
        """Of the leading full blocks whose text is final."""

    def reuse(self, tokens: Sequence[int]) -> int:
        """Take over what the index knows of the beginning of `tokens`; returns how many of them need no forward."""
        self.blocks, self._keys = self._allocator.match(tokens)
        self.shared = len(self.blocks)
        self.length = self.shared * BLOCK_SIZE
        return self.length

    def missing(self, count: int) -> int:
        """Blocks that `append(count)` would take from the pool."""
        copies = sum(not self._allocator.writable(b) for b in self._open(count) if self._allocator.references(b) > 1)
        return max(0, -(-(self.length + count) // BLOCK_SIZE) - len(self.blocks)) + copies

    def append(self, count: int) -> list[tuple[int, int]]:
        """Room for `count` more tokens; `length` grows by it.

        Returns the (source, target) blocks to copy first: a block that others hold is never written (copy on write).
        Raises OutOfMemory, leaving the table as it was.
        """
        if self.missing(count) > self._allocator.available:
            raise pool_full(self._allocator.total)
        copies = []
        for block in self._open(count):
            if self._allocator.references(block) > 1:
                place = self.blocks.index(block)
                own = self._allocator.take(self.blocks[place - 1] if place else None)
                copies.append((block, own))
                self._allocator.release([block])
                self.blocks[place] = own
                self.shared = min(self.shared, place)
            else:
                self._allocator.unpublish(block)
        self.length += count
        while len(self.blocks) * BLOCK_SIZE < self.length:
            self.blocks.append(self._allocator.take(self.blocks[-1] if self.blocks else None))
        return copies

    def rollback(self, length: int) -> list[int]:
        """Forget the KV of all but the first `length` tokens; returns the blocks given back, empty now."""
        if length >= self.length:
            return []
        keep = -(-length // BLOCK_SIZE)
        given_back = self.blocks[keep:]
        self._allocator.release(reversed(given_back))
        del self.blocks[keep:]
        del self._keys[length // BLOCK_SIZE :]
        self.length = length
        self.shared = min(self.shared, keep)
        return given_back

    def publish(self, tokens: Sequence[int]) -> None:
        """Offer the full blocks of the final text `tokens` to others, as far as their KV is here."""
        for i in range(len(self._keys), min(len(tokens), self.length) // BLOCK_SIZE):
            parent = self._keys[-1] if self._keys else ROOT
            key = chain(parent, tokens[i * BLOCK_SIZE : (i + 1) * BLOCK_SIZE])
            self._keys.append(key)
            self._allocator.publish(self.blocks[i], key)

    def fork(self) -> BlockTable:
        """A second sequence with the same past; the blocks are shared until one of the two writes."""
        other = BlockTable(self._allocator)
        other.blocks = list(self.blocks)
        other.length, other.shared, other._keys = self.length, len(self.blocks), list(self._keys)
        for block in self.blocks:
            self._allocator.hold(block)
        return other

    def release(self) -> None:
        """Give every block back."""
        self.rollback(0)

    def _open(self, count: int) -> list[int]:
        """The partly filled last block, if `append(count)` writes into it and it is not writable as it is."""
        if not count or self.length % BLOCK_SIZE == 0:
            return []
        last = self.blocks[self.length // BLOCK_SIZE]
        return [] if self._allocator.writable(last) else [last]
