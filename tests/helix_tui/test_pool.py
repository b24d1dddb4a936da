"""Who holds which block, from the events of one request and of several; and how it is drawn."""

from __future__ import annotations

from typing import Any

import pytest
from making import cycle, finished, loaded, pool, started
from textual.content import Content

from engine.events import Event, Failed, Preempted
from helix_tui.figures import Figures
from helix_tui.pool import Pool, numbers
from helix_tui.render import blocks
from helix_tui.render.blocks import CACHED, FLIGHT, FREE, HELD, SHARED, Cell


def fed(*events: Event) -> Figures:
    figures = Figures()
    for event in events:
        figures.feed(event)
    return figures


def lines(content: Content) -> list[str]:
    return content.plain.split("\n")


def styled(content: Content, text: str) -> str:
    at = content.plain.index(text)
    return " ".join(str(span.style) for span in content.spans if span.start <= at < span.end)


def one(table: Any = ((0, 3),), length: int = 40, shared: int = 0, cached: Any = (), total: int = 8) -> Pool:
    """A pool with one request in it."""
    return fed(started(blocks=pool(table, length, shared, cached, total))).pool


def two() -> Figures:
    """Requests 1 and 2 begin alike, so they share a block."""
    return fed(
        started(20, 0, request=1, blocks=pool(((0, 2),), 20)),
        started(24, 16, request=2, blocks=pool(((0, 1), (4, 1)), 24, 1)),
        cycle("ab", "c", 1, request=1, blocks=pool(((0, 2),), 22), in_flight=((2, 1),)),
        cycle("ab", "d", 2, request=2, blocks=pool(((0, 1), (4, 1)), 27, 1), in_flight=((5, 1),)),
    )


def test_runs_are_block_numbers() -> None:
    assert list(numbers(((3, 2), (9, 1)))) == [3, 4, 9]


def test_the_pool_follows_the_events() -> None:
    table = pool(((0, 2), (5, 1)), 40, 1, ((3, 1),))
    p = fed(started(), cycle("ab", blocks=table, in_flight=((6, 2),))).pool
    assert (p.used, p.remembered, list(p.in_flight), p.tokens) == (3, 1, [6, 7], 40)
    assert p.utilisation == 40 / 48
    after = fed(started(), cycle("ab", blocks=table), finished(pool(cached=((0, 3),)))).pool
    assert (after.used, after.in_flight, after.remembered, after.utilisation) == (0, {}, 3, None)
    assert after.tokens == 15


@pytest.mark.parametrize("end", [finished(), Failed(1, "OutOfMemory", "x")], ids=lambda event: event.kind)
def test_who_runs_no_more_holds_nothing(end: Event) -> None:
    figures = fed(started(), cycle("ab", blocks=pool(((0, 2),), 20), in_flight=((2, 1),)), end)
    assert (figures.pool.owners, figures.pool.used, figures.pool.in_flight) == ({}, 0, {})


def test_blocks_of_several_requests_are_counted_once() -> None:
    p = two().pool
    assert (p.used, sorted(p.in_flight)) == (3, [2, 5])
    assert [(h.owner.request, h.place) for h in p.holders()[0]] == [(1, 0), (2, 0)]
    assert [(h.owner.request, h.place) for h in p.holders()[4]] == [(2, 1)]
    # Block 0 is full, 1 has 6 tokens and 4 has 11.
    assert p.utilisation == (16 + 6 + 11) / 48


def test_one_that_is_preempted_gives_its_blocks_back_and_keeps_its_text_and_seat() -> None:
    figures = two()
    figures.feed(Preempted(2))
    assert figures.pool.used == 2
    assert figures.pool.owners[2].said == ["a", "b", "d"]
    figures.feed(cycle("", "e", request=2, blocks=pool(((6, 2),), 28)))
    assert sorted(figures.pool.holders()) == [0, 1, 6, 7]
    assert figures.pool.owners[2].seat == 1
    assert figures.pool.owners[2].said == ["a", "b", "d", "e"]


def test_a_seat_is_taken_again_once_it_is_left() -> None:
    figures = two()
    figures.feed(finished(request=1))
    assert figures.pool.several, "the second keeps its letter when it is left alone"
    figures.feed(started(request=3))
    assert [owner.seat for owner in figures.pool.owners.values()] == [1, 0]


def test_a_new_chat_forgets_who_ran() -> None:
    figures = two()
    figures.new_chat()
    assert figures.pool.owners == {}
    assert figures.pool.blocks is not None


def test_a_request_whose_start_was_not_told_is_nobody() -> None:
    p = fed(loaded(), cycle("ab", "c", 1, blocks=pool(((0, 2),), 20))).pool
    assert (p.used, p.tokens) == (0, 20)


def test_the_state_of_every_block() -> None:
    p = one(((1, 3),), 40, 1, ((6, 1),))
    assert [c.state for c in blocks.cells(p)] == [FREE, SHARED, HELD, HELD, FREE, FREE, CACHED, FREE]
    p.owners[1].in_flight = ((4, 1), (7, 1))
    assert [c.state for c in blocks.cells(p)] == [FREE, SHARED, HELD, HELD, FLIGHT, FREE, CACHED, FLIGHT]
    assert {c.seat for c in blocks.cells(p)} == {-1}
    # Another has it by now: in use is in use.
    p.owners[1].in_flight = ((1, 3),)
    assert FLIGHT not in [c.state for c in blocks.cells(p)]
    assert blocks.cells(Pool()) == []
    assert blocks.cells(Pool(pool())) == [Cell(FREE)] * 8


def test_owners_among_several_have_letters_and_colours() -> None:
    p = two().pool
    assert [c.glyph for c in blocks.cells(p)] == ["▣", "a", "◆", "·", "b", "◆", "·", "·"]
    content = blocks.panel(p, 66, 8)
    assert lines(content)[1].rstrip() == "▣ a ◆ · b ◆ · ·"
    assert (styled(content, "a "), styled(content, "b ")) == ("bold $owner-1", "bold $owner-2")
    assert "ab 2 replies  ▣ reused  ◆ in flight" in content.plain


def test_a_pool_is_drawn_whole_in_part_or_to_scale() -> None:
    held, free = Cell(HELD), Cell(FREE)
    assert blocks.layout([held, free], 5) == blocks.Map([held, free], 1, 0)
    assert blocks.layout([held, free, free, free], 2) == blocks.Map([held, free], 1, 2)
    scaled = blocks.layout([free, free, free, held, free, free], 2)
    assert (list(scaled.cells), scaled.per_cell, scaled.beyond) == ([free, held], 3, 0)


def test_the_kv_panel() -> None:
    p = one(((0, 3),), 40, 1, ((6, 1),))
    p.prompt_tokens, p.reused_tokens, p.reused_blocks = 140, 16, 1
    p.owners[1].in_flight = ((3, 1),)
    content = blocks.panel(p, 66, 8)
    rows = lines(content)
    assert rows[0].endswith("3 of 8 blocks")
    assert rows[1].rstrip() == "▣ ■ ■ ◆ · · □ ·"
    assert "1 reused = 16 of 140 prompt tokens · 1 remembered · 83 % full" in content.plain
    assert "■ in use  ▣ reused  ◆ in flight  □ remembered  · free" in content.plain
    assert styled(content, "▣") == "$block-shared"


def test_the_kv_panel_says_what_it_leaves_out() -> None:
    assert "and 3,976 more, all free" in blocks.panel(one(length=48, total=4096), 30, 8).plain
    far = one(((4000, 3),), 48, total=4096)
    content = blocks.panel(far, 30, 8)
    assert "one cell = 35 blocks" in content.plain
    # One cell, and the legend's.
    assert content.plain.count("■") == 2
    assert lines(blocks.panel(far, 38, 8))[-1] == "■ used ▣ reused ◆ flight □ kept · free"
    for width in (1, 7, 38):
        for height in (1, 2, 4, 8):
            assert len(lines(blocks.panel(far, width, height))) <= height


def test_the_kv_strip() -> None:
    assert blocks.strip(Pool(reused_blocks=2)) == ""
    assert blocks.strip(one()) == "KV 3/8"
    assert blocks.strip(one(shared=2)) == "KV 3/8, 2 reused"
