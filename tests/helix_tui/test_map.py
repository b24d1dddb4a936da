"""The KV map: what is told of the block under the cursor, and its keys."""

from __future__ import annotations

import pytest
from driving import ask, drive, screen_text, send, until
from making import cycle, finished, loaded, pool, started
from textual.content import Content
from textual.pilot import Pilot

from engine.events import Event
from helix_tui.app import HelixApp
from helix_tui.figures import Figures
from helix_tui.render import block_map
from helix_tui.screens.map import MapScreen

LOADED = loaded(target_block_bytes=64_000, draft_block_bytes=12_000)


def fed(*events: Event) -> Figures:
    figures = Figures()
    for event in events:
        figures.feed(event)
    return figures


def alone() -> Figures:
    """A prompt of 20 tokens, 4 tokens of a reply, one block in flight and one remembered."""
    table = pool(((0, 2),), 24, 1, ((6, 1),))
    return fed(LOADED, started(20, 16, blocks=table), cycle("abc", "d", 3, blocks=table, in_flight=((2, 1),)))


def company() -> Figures:
    return fed(
        LOADED,
        started(20, 0, request=1, blocks=pool(((0, 2),), 20)),
        started(24, 16, request=2, blocks=pool(((0, 1), (4, 1)), 24, 1)),
        cycle("ab", "d", 2, request=2, blocks=pool(((0, 1), (4, 1)), 27, 1), in_flight=((5, 1),)),
    )


def told(figures: Figures, block: int, height: int = 8) -> str:
    return block_map.detail(figures.pool, figures.loaded, block, 120, height).plain


def test_a_block_of_the_prompt_and_the_reply() -> None:
    text = told(alone(), 1)
    assert text.startswith("Physical block 1 ─") and "1 reference\n" in text
    assert "■ in use" in text
    assert "logical block 1 of 2, of this reply (request 1): tokens 16–23 (8 of 16)" in text
    assert "4 tokens of the prompt, then ‘abcd’" in text
    assert "16 tokens: 62 KB in the target's pool, 12 KB for the same tokens in the draft's own" in text


def test_blocks_that_nobody_holds() -> None:
    figures = alone()
    assert "▣ reused: computed for an earlier prompt" in told(figures, 0)
    assert "◆ in flight: held for drafted tokens in the last round" in told(figures, 2)
    assert "it was logical block 2, for tokens from 32 on, of this reply (request 1)" in told(figures, 2)
    assert "0 references" in told(figures, 2)
    assert "□ remembered: nobody holds it" in told(figures, 6)
    assert "· free" in told(figures, 7)
    assert told(figures, 99).startswith("Physical block 7"), "the cursor stays in the pool"
    assert told(Figures(), 0) == ""


def test_a_block_that_two_replies_share_names_both() -> None:
    text = told(company(), 0)
    assert "2 references" in text and "▣ shared by 2 replies" in text
    assert "logical block 0 of 2, of reply a (request 1): tokens 0–15 (16 of 16)" in text
    assert "logical block 0 of 2, of reply b (request 2): tokens 0–15 (16 of 16)" in text
    assert "of reply b (request 2): tokens 16–26 (11 of 16)" in told(company(), 4)
    assert "8 tokens of the prompt, then ‘abd’" in told(company(), 4)


def test_the_head_counts_and_says_what_a_held_round_did() -> None:
    figures = company()
    text = block_map.head(figures.pool, 120).plain
    assert text.split("\n")[0].endswith("3 of 8 blocks in use · 0 remembered · 1 in flight")
    assert "ab 2 replies" in text and "HELD" not in text
    last = figures.speculating.rounds[-1]
    assert "after round 1: 2 drafted, all kept" in block_map.head(figures.pool, 120, held=True, last=last).plain
    assert "before the first round" in block_map.head(figures.pool, 120, held=True).plain


def test_the_grid_shows_the_rows_around_the_cursor() -> None:
    figures = fed(loaded(), started(blocks=pool(((0, 3),), 48, total=1000)))
    first = block_map.grid(figures.pool, 0, 40, 5).plain.split("\n")
    assert len(first) == 5 and first[0].startswith("■ ■ ■ · ")
    last = block_map.grid(figures.pool, 999, 40, 5)
    assert len(last.plain.split("\n")) == 5 and "■" not in last.plain
    assert [s.style for s in last.spans if "reverse" in str(s.style)]


@pytest.mark.parametrize("width", [1, 9, 40, 120])
@pytest.mark.parametrize("height", [1, 2, 5, 9])
def test_everything_keeps_to_its_room(width: int, height: int) -> None:
    for figures in (Figures(), alone(), company(), fed(LOADED, finished(pool()))):
        for block in (0, 2, 4, 7):
            for content in (
                block_map.detail(figures.pool, figures.loaded, block, width, height),
                block_map.grid(figures.pool, block, width, height),
                block_map.head(figures.pool, width, held=True),
            ):
                rows = content.plain.split("\n")
                assert len(rows) <= max(3, height) and all(Content(row).cell_length <= width for row in rows)


def test_m_opens_the_map_and_the_arrows_move_on_it() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "Tell me a story")
        await pilot.press("escape", "m")
        assert isinstance(app.screen, MapScreen)
        await until(pilot, lambda: "block 0 " in screen_text(app))
        await pilot.press("right", "right")
        await until(pilot, lambda: "block 2 " in screen_text(app) and "remembered: nobody" in screen_text(app))
        await pilot.press("down")
        row = block_map.per_row(app.screen.grid.size.width)
        await until(pilot, lambda: f"block {2 + row} " in screen_text(app))
        await pilot.press("end", "right")
        await until(pilot, lambda: "block 255 " in screen_text(app))
        await pilot.press("home", "left", "up")
        await until(pilot, lambda: "block 0 " in screen_text(app))
        await pilot.press("m")
        assert app.screen is app.chat

    drive(scenario)


def test_slow_motion_on_the_map() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f10")
        await send(pilot, app, "Tell me a story")
        app.chat.transcript.focus()
        await pilot.press("m", "full_stop")
        await until(pilot, lambda: "after round 1: 4 drafted, all kept" in screen_text(app))
        await pilot.press("full_stop")
        await until(pilot, lambda: "after round 2:" in screen_text(app))
        await pilot.press("space")
        await until(pilot, lambda: not app.chat.answering)
        await until(pilot, lambda: "HELD" not in screen_text(app))
        await pilot.press("escape")
        assert app.screen is app.chat

    drive(scenario)


@pytest.mark.parametrize("size", [(5, 2), (20, 5), (40, 12), (80, 24)])
def test_no_size_crashes(size: tuple[int, int]) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "Tell me a story")
        await pilot.press("escape", "m", "right", "down", "m")

    drive(scenario, size=size)
