"""The block allocator against a simple model that remembers which text every slot must hold."""

from __future__ import annotations

import random

import pytest

from engine import OutOfMemory
from engine.kv.blocks import BLOCK_SIZE, ROOT, BlockAllocator, BlockTable, chain, runs
from engine.kv.pool import slots

TOTAL = 24


class Simulation:
    """Random operations on real tables, with a pretended pool: each slot holds the whole text up to its token."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.allocator = BlockAllocator(TOTAL)
        self.slots: dict[int, tuple[int, ...]] = {}
        self.texts: dict[BlockTable, list[int]] = {}
        self.keys: dict[bytes, tuple[int, ...]] = {}
        """What each key that was ever published stands for."""
        self.reused = self.copied = self.refused = self.evicted = 0
        self.stems = [[self.random.randrange(3) for _ in range(80)] for _ in range(3)]

    def step(self) -> None:
        tables = list(self.texts)
        if len(tables) < 2 or (len(tables) < 6 and self.random.random() < 0.1):
            self.start()
            return
        table = self.random.choice(tables)
        weights = {
            self.grow: 8, self.speculate: 6, self.cut: 1, self.branch: 1, self.offer: 4, self.finish: 1,
            self.forget: 0.1,
        }  # fmt: skip
        self.random.choices(list(weights), list(weights.values()))[0](table)

    def start(self) -> None:
        text = self.random.choice(self.stems)[: self.random.randrange(1, 80)]
        table = BlockTable(self.allocator)
        count = table.reuse(text[:-1])
        assert count == table.length <= max(0, len(text) - 1)
        self.reused += count
        self.texts[table] = text[:count]
        self.write(table, text[count:])

    def grow(self, table: BlockTable) -> None:
        self.write(table, [self.random.randrange(3) for _ in range(self.random.randrange(1, 20))])

    def speculate(self, table: BlockTable) -> None:
        before = table.length
        if self.write(table, [self.random.randrange(3) for _ in range(self.random.randrange(1, 9))]):
            self.shorten(table, self.random.randrange(before, table.length + 1))

    def cut(self, table: BlockTable) -> None:
        self.shorten(table, self.random.randrange(table.length + 1))

    def shorten(self, table: BlockTable, length: int) -> None:
        table.rollback(length)
        del self.texts[table][length:]

    def branch(self, table: BlockTable) -> None:
        self.texts[table.fork()] = list(self.texts[table])

    def offer(self, table: BlockTable) -> None:
        text, key = self.texts[table], ROOT
        for end in range(BLOCK_SIZE, len(text) + 1, BLOCK_SIZE):
            key = chain(key, text[end - BLOCK_SIZE : end])
            self.keys[key] = tuple(text[:end])
        table.publish(text)

    def finish(self, table: BlockTable) -> None:
        if self.random.random() < 0.8:
            self.offer(table)
        table.release()
        assert (table.length, table.blocks) == (0, [])
        del self.texts[table]

    def forget(self, table: BlockTable) -> None:
        self.allocator.forget_all()
        assert not list(self.allocator.cached)

    def write(self, table: BlockTable, tokens: list[int]) -> bool:
        """Append as a forward would: copy what must be copied, then fill the slots."""
        state = (list(table.blocks), table.length)
        needed, available = table.missing(len(tokens)), self.allocator.available
        cached = set(self.allocator.cached)
        try:
            copies = table.append(len(tokens))
        except OutOfMemory:
            assert needed > available
            assert (table.blocks, table.length) == state
            self.refused += 1
            return False
        assert needed <= available
        assert available - self.allocator.available == needed
        self.evicted += len(cached - set(self.allocator.cached))
        self.copied += len(copies)
        for source, target in copies:
            for place in range(BLOCK_SIZE):
                self.slots[target * BLOCK_SIZE + place] = self.slots.get(source * BLOCK_SIZE + place, ())
        text = self.texts[table]
        for token in tokens:
            text.append(token)
            at = len(text) - 1
            slot = table.blocks[at // BLOCK_SIZE] * BLOCK_SIZE + at % BLOCK_SIZE
            assert self.allocator.writable(table.blocks[at // BLOCK_SIZE])
            self.slots[slot] = tuple(text)
        return True

    def check(self) -> None:
        allocator = self.allocator
        held = [block for table in self.texts for block in table.blocks]
        for block in range(TOTAL):
            assert allocator.references(block) == held.count(block)
        cached = list(allocator.cached)
        assert len(set(cached)) == len(cached)
        assert [first + i for first, count in allocator.cached_runs for i in range(count)] == sorted(cached)
        assert not set(cached) & set(held)
        assert allocator.free + len(cached) + len(set(held)) == TOTAL
        assert allocator.available == TOTAL - len(set(held))
        for key, block in allocator._index.items():
            assert self.slots[block * BLOCK_SIZE + BLOCK_SIZE - 1] == self.keys[key], "a promise that is not kept"
        for table, text in self.texts.items():
            assert table.length == len(text)
            assert len(table.blocks) == len(set(table.blocks)) == -(-len(text) // BLOCK_SIZE)
            places = [first + i for first, count in slots(table, 0, len(text)) for i in range(count)]
            # A token's KV depends on everything before it, so the last slot of each block says what the block is.
            for at in {*range(BLOCK_SIZE - 1, len(text), BLOCK_SIZE), len(text) - 1} - {-1}:
                assert self.slots[places[at]] == tuple(text[: at + 1])
            assert all(len(self.slots[place]) == at + 1 for at, place in enumerate(places))


@pytest.mark.parametrize("seed", range(4))
def test_random_scripts_keep_every_text(seed: int) -> None:
    simulation = Simulation(seed)
    for _ in range(2500):
        simulation.step()
        simulation.check()
    # The script did what it is for.
    assert min(simulation.reused, simulation.copied, simulation.refused, simulation.evicted) > 20
    for table in list(simulation.texts):
        simulation.finish(table)
    allocator = simulation.allocator
    assert [allocator.references(b) for b in range(TOTAL)] == [0] * TOTAL
    assert allocator.available == TOTAL
    allocator.forget_all()
    assert allocator.free == TOTAL
    assert BlockTable(allocator).reuse(simulation.stems[0]) == 0


def filled(allocator: BlockAllocator, text: list[int], *, publish: bool = True) -> BlockTable:
    table = BlockTable(allocator)
    table.reuse(text[:-1])
    table.append(len(text) - table.length)
    if publish:
        table.publish(text)
    return table


def test_a_lone_sequence_is_one_run() -> None:
    table = BlockTable(BlockAllocator(64))
    for _ in range(64 * BLOCK_SIZE // 7):
        table.append(7)
        assert len(runs(table.blocks)) == 1


def test_two_growing_sequences_stay_runs() -> None:
    allocator = BlockAllocator(64)
    tables = [BlockTable(allocator), BlockTable(allocator)]
    for _ in range(30 * BLOCK_SIZE):
        for table in tables:
            table.append(1)
            assert len(runs(table.blocks)) == 1


def test_rejected_drafts_do_not_fragment() -> None:
    table = BlockTable(BlockAllocator(32))
    for _ in range(200):
        table.append(5)
        table.rollback(table.length - 3)
        assert len(runs(table.blocks)) == 1


def test_the_end_of_the_oldest_text_is_evicted_first() -> None:
    allocator = BlockAllocator(6)
    old, new = [1] * 3 * BLOCK_SIZE, [2] * 3 * BLOCK_SIZE
    for text in (old, new):
        filled(allocator, text).release()
    assert (allocator.free, allocator.available) == (0, 6)
    taken = []
    for left_of_old, left_of_new in ((2, 3), (1, 3), (0, 3), (0, 2), (0, 1), (0, 0)):
        taken.append(allocator.take())
        for text, left in ((old, left_of_old), (new, left_of_new)):
            probe = BlockTable(allocator)
            assert probe.reuse(text) == left * BLOCK_SIZE
            # Looking makes a text young, but old first and new last is the order they were in.
            probe.release()
    assert sorted(taken) == list(range(6))
    with pytest.raises(OutOfMemory):
        allocator.take()


def test_reuse_makes_a_text_young_again() -> None:
    allocator = BlockAllocator(4)
    old, new = [1] * 2 * BLOCK_SIZE, [2] * 2 * BLOCK_SIZE
    for text in (old, new):
        filled(allocator, text).release()
    again = BlockTable(allocator)
    assert again.reuse(old) == len(old)
    again.release()
    allocator.take()
    assert BlockTable(allocator).reuse(new) == BLOCK_SIZE
    assert BlockTable(allocator).reuse(old) == len(old)


def test_held_blocks_are_never_evicted() -> None:
    allocator = BlockAllocator(4)
    table = filled(allocator, [1] * 2 * BLOCK_SIZE)
    other = BlockTable(allocator)
    with pytest.raises(OutOfMemory, match="4 blocks of 16"):
        other.append(3 * BLOCK_SIZE)
    assert (other.blocks, other.length, allocator.free) == ([], 0, 2)
    other.append(2 * BLOCK_SIZE)
    assert not set(other.blocks) & set(table.blocks)


def test_out_of_memory_in_a_copy_leaves_the_table() -> None:
    allocator = BlockAllocator(2)
    table = filled(allocator, [1] * 20)
    fork = table.fork()
    assert fork.missing(1) == 1
    with pytest.raises(OutOfMemory):
        fork.append(1)
    assert (fork.blocks, fork.length) == (table.blocks, 20)
    table.release()
    assert fork.append(1) == [], "the only holder left writes in place"


def test_only_full_blocks_of_the_very_same_past_are_reused() -> None:
    allocator = BlockAllocator(16)
    text = list(range(40))
    first = filled(allocator, text)
    same, shorter, other_past = BlockTable(allocator), BlockTable(allocator), BlockTable(allocator)
    assert same.reuse(text) == 32
    assert same.blocks == first.blocks[:2]
    assert same.shared == 2
    assert shorter.reuse(text[:31]) == 16
    assert other_past.reuse([99, *text[1:]]) == 0
    swapped = BlockTable(allocator)
    assert swapped.reuse(text[16:32] + text[:16]) == 0, "the same block after another past is another text"


def test_without_a_prefix_cache_nothing_is_remembered() -> None:
    allocator = BlockAllocator(8, remember=False)
    filled(allocator, [1] * 64).release()
    assert allocator.free == 8
    assert BlockTable(allocator).reuse([1] * 64) == 0


def test_rewriting_a_published_block_takes_back_the_promise() -> None:
    allocator = BlockAllocator(8)
    text = [1] * 32
    table = filled(allocator, text)
    table.rollback(20)
    probe = BlockTable(allocator)
    assert probe.reuse(text) == 32, "not overwritten yet"
    probe.release()
    assert table.append(1) == []
    probe = BlockTable(allocator)
    assert probe.reuse(text) == 16
