"""The panels, from figures to text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from making import cycle, finished, loaded, pool, started
from reading import lines, styled

from engine.events import DeviceMemory, Loading, MemoryRead
from helix_tui.figures import Figures, Split
from helix_tui.render import memory, speed, top_bar
from helix_tui.render.bars import bar, column, sparkline, split
from helix_tui.render.card import RETRY, card
from helix_tui.render.digits import large
from helix_tui.render.heading import heading
from helix_tui.render.helix import helix
from helix_tui.render.help import help_text
from helix_tui.render.loading import loading
from helix_tui.render.summary import reading, summary
from helix_tui.render.units import count, millions, percent, rate, seconds, size
from helix_tui.speed import Speed


def test_units() -> None:
    assert [size(n) for n in (0, 512, 2048, 98_000_000, 1024**3 * 3 // 2, 1024**4)] == [
        "0 B", "512 B", "2.0 KB", "93 MB", "1.5 GB", "1.0 TB",
    ]  # fmt: skip
    assert [seconds(s) for s in (0.084, 0.9999, 1.238, 12.34, 65)] == [
        "84 ms",
        "1.00 s",
        "1.24 s",
        "12.3 s",
        "1 m 05 s",
    ]
    assert [rate(r) for r in (4.21, 99.94, 99.96, 1234)] == ["4.2", "99.9", "100", "1,234"]
    assert [percent(p) for p in (None, 0.0, 0.001, 0.375, 0.999, 1.0)] == ["–", "0 %", "<1 %", "38 %", "99 %", "100 %"]
    assert [count(n, "block") for n in (0, 1, 1000)] == ["0 blocks", "1 block", "1,000 blocks"]
    assert [millions(n) for n in (12_000, 24_400_000, 135_000_000, 1_500_000_000)] == ["12K", "24.4M", "135M", "1.5B"]


def test_bars() -> None:
    assert bar(0, 4).plain == "━━━━"
    assert [span.style for span in bar(0, 4).spans if span.end > span.start] == ["$bar-track"]
    assert [span.style for span in bar(1, 4).spans if span.end > span.start] == ["$accent"]
    assert bar(0.001, 4).plain == "╸━━━"
    assert bar(0.999, 4).plain == "━━━╸"
    assert bar(0.5, 4).plain == "━━━━"
    assert [column(s) for s in (0, 0.01, 0.5, 0.99, 1)] == [" ", "▁", "▄", "▇", "█"]
    assert sparkline([1, 2, 4], 5) == ["▂▄█  "]
    assert sparkline([1, 2, 4], 2) == ["▄█"]
    assert sparkline([4, 8], 2, 2) == [" █", "██"]
    assert sparkline([], 3) == ["   "]
    assert sparkline([0, 0], 2) == ["▁▁"]


def test_a_stacked_bar_adds_up_and_shows_all_that_is_there() -> None:
    assert split([1, 1, 2], 4) == [1, 1, 2]
    assert split([1, 0, 999], 10) == [1, 0, 9]
    assert split([0, 0], 5) == [0, 0]
    assert split([5, 5, 5], 2) == [1, 1, 0]
    for width in range(3, 40):
        assert sum(split([7, 0, 13, 1000], width)) == width


def test_heading_fills_its_line() -> None:
    assert heading("Speed", "fast", 20).plain == "Speed ───────── fast"
    assert heading("Speed", "", 10).plain == "Speed ────"
    for width in range(30):
        assert heading("Speed", "a figure", width).cell_length <= max(width, 0) + 0


SPLIT = Split(total=1000, target=300, draft=100, kv_used=20, kv_reserved=60, other=120, free=400)


def test_the_memory_panel() -> None:
    content = memory.panel(SPLIT, 50, 5, device="on cpu")
    rows = lines(content)
    assert rows[0].startswith("Memory on cpu ─") and rows[0].endswith("600 B of 1.0 KB")
    assert rows[1] == "█" * 50
    widths = {str(s.style): s.end - s.start for s in memory.bar(SPLIT, 50).spans}
    assert widths == {
        "$memory-target": 15, "$memory-draft": 5, "$memory-kv": 1, "$memory-reserved": 3, "$memory-other": 6,
        "$memory-free": 20,
    }  # fmt: skip
    words = " ".join(" ".join(rows[2:]).split())
    assert words == ("■ target 300 B ■ draft 100 B ■ KV in use 20 B ■ KV reserved 60 B ■ other 120 B ■ free 400 B")
    assert memory.panel(None, 50, 5).plain.startswith("Memory ─")


def test_memory_has_patterns_where_there_is_no_colour() -> None:
    bar = memory.bar(SPLIT, 50, shapes=True).plain
    assert [c for i, c in enumerate(bar) if i == 0 or bar[i - 1] != c] == ["█", "▓", "▒", "░", "▞", "·"]


def measured(*figures: object) -> Speed:
    speed = Speed()
    for event in figures:
        speed.feed(event)  # type: ignore[arg-type]
    return speed


def replies(depth: int, seconds: float) -> list[object]:
    """A reply of 11 cycles: two tokens each when speculative, one when not."""
    letters = "a" if depth else ""
    return [
        started(depth=depth),
        *(cycle(letters, "z", len(letters), index=i, seconds=seconds) for i in range(11)),
        finished(decode_tokens_per_s=(2 if depth else 1) / seconds),
    ]


def test_the_speed_panel_says_what_was_gained_and_only_when_both_are_known() -> None:
    only = measured(*replies(1, 0.01))
    assert "press b for a baseline" in speed.panel(only, 60, 7).plain
    assert "press b for speculation" in speed.panel(measured(*replies(0, 0.01)), 60, 7).plain
    both = measured(*replies(0, 0.01), *replies(1, 0.01))
    content = speed.panel(both, 60, 7)
    assert "2.00× baseline" in content.plain and "press b" not in content.plain
    assert "speculative 200  baseline 100" in content.plain
    assert "first token 100 ms" in lines(content)[0]
    assert styled(content, "2.00×") == "bold $accepted"
    loss = speed.panel(measured(*replies(0, 0.01), *replies(1, 0.04)), 60, 7)
    assert "0.50× baseline  slower: b goes back" in loss.plain
    lost = speed.panel(measured(*replies(0, 0.01), *replies(1, 0.04)), 60, 7, drafting=False).plain
    assert "0.50× baseline  slower" in lost and "b goes back" not in lost, "speculation is off already"
    assert "$corrected" in styled(loss, "0.50×")
    assert "no draft to compare with" in speed.panel(only, 60, 7, has_draft=False).plain


def test_the_speed_panel_in_large_and_small() -> None:
    figures = measured(*replies(1, 0.01))
    rows = lines(speed.panel(figures, 60, 7))
    for got, expected in zip(rows[1:4], large("200"), strict=True):
        assert got.startswith(expected)
    small = lines(speed.panel(figures, 38, 3))
    assert small[1].startswith("200 tokens/s")
    assert len(small) == 3
    assert "–" in speed.panel(Speed(), 38, 3).plain


def test_the_speed_strip() -> None:
    figures = measured(*replies(0, 0.01), *replies(1, 0.01))
    assert speed.strip(figures, 80).plain.startswith("200 tok/s  2.00× baseline  first token 100 ms")
    assert speed.strip(figures, 10).cell_length <= 10


def test_large_figures() -> None:
    assert large("1.7") == ["▀█    ▀▀▀█", " █       █", "▄█▄ ▄    █"]
    for text in ("0123456789", "1,234", "99.9", "–"):
        assert len({len(row) for row in large(text)}) == 1
    with pytest.raises(KeyError):
        large("x")


def test_the_summary_of_a_reply() -> None:
    figures = finished(completion_tokens=128, decode_tokens_per_s=212.4, ttft_s=0.084, acceptance_rate=0.81).usage
    assert summary("eos", figures) == "128 tokens · 212 tokens/s · first token 84 ms · 81 % accepted"
    assert summary("cancelled", figures).startswith("stopped · 128 tokens")
    assert summary("length", figures).startswith("cut at the token limit · ")
    assert summary("context", figures).startswith("the context is full · ")
    plain = finished(acceptance_rate=None, ttft_s=None, decode_tokens_per_s=None, completion_tokens=1).usage
    assert summary("eos", plain) == "1 token · baseline"
    reused = finished(prompt_tokens=140, cached_tokens=123).usage
    assert summary("eos", reused).endswith("123 of 140 prompt tokens reused")
    assert reading(140, 123) == "reading 17 tokens · 123 remembered"
    assert reading(1, 0) == "reading 1 token"


def test_cards_say_what_to_do() -> None:
    assert card("ContextTooLong", "Too long.").hint == "ctrl+n starts a new chat."
    assert card("ModelNotFound", "No.", where="load").hint == RETRY and "d " in RETRY and "ctrl+r" in RETRY
    odd = card("KeyError", "'x'", where="run", expected=False, log="/tmp/log")
    assert (odd.title, odd.body) == ("The engine broke off", "KeyError: 'x'")
    assert odd.hint.endswith("Details: /tmp/log")
    assert card("KeyError", "", where="ask", expected=False).body == "KeyError"
    assert card("HelixError", "x", where="lost").title == "The engine broke and has to be loaded again"


def test_the_loading_line() -> None:
    assert loading(None, 0.0, 60).plain == "starting  0 ms"
    event = Loading("target weights", 31_000_000, 50_000_000)
    assert loading(event, 1.2, 80).plain == "target weights  ━━━━━━━━━━━━━━━━  62 %  30 MB of 48 MB  1.20 s"
    assert "MB" not in loading(Loading("warming up", 1, 4), 1.2, 80).plain
    assert loading(Loading("a stage without an end"), 1.2, 80).plain == "a stage without an end  1.20 s"
    for width in range(60):
        assert loading(event, 1.2, width).cell_length <= width


def test_a_pair_of_one_name_is_told_apart() -> None:
    event = loaded(draft=True)
    assert event.draft is not None
    twins = replace(event, target=replace(event.target, name="bundled"), draft=replace(event.draft, name="bundled"))
    assert "bundled 24.4M ⇠ draft 3.1M" in top_bar.top_bar(twins, 312, 120).plain


def test_the_top_bar_says_less_when_narrow() -> None:
    wide = top_bar.top_bar(loaded(), 312, 120).plain
    assert wide.startswith(" helix  model-a 24.4M ⇠ model-b 3.1M   cpu · float32 ")
    assert wide.endswith("context ━━━━━━━━━━━━ 312 / 2,048 ")
    assert "cpu" in top_bar.top_bar(loaded(), 312, 76).plain
    assert "24.4M" not in top_bar.top_bar(loaded(), 312, 76).plain
    assert top_bar.top_bar(loaded(), 312, 40).plain == " helix  model-a ⇠ model-b   312 / 2,048 "
    assert top_bar.top_bar(None, 0, 40).plain.strip() == "helix"
    assert "⇠" not in top_bar.top_bar(loaded(draft=False), 0, 120).plain
    assert "REPLAY of chat.jsonl" in top_bar.top_bar(None, 0, 80, replay="chat.jsonl").plain
    assert "PAUSED of chat.jsonl" in top_bar.top_bar(None, 0, 80, replay="chat.jsonl", held=True).plain
    for width in range(1, 130):
        assert top_bar.top_bar(loaded(), 312, width).cell_length <= width


@pytest.mark.parametrize(
    ("tokens", "style"), [(100, "$accent"), (1842, "$accent"), (1844, "$corrected"), (2048, "$rejected")]
)
def test_the_gauge_warns(tokens: int, style: str) -> None:
    assert style in [str(span.style) for span in top_bar.gauge(2048, tokens, 100).spans]


def test_what_a_full_context_means_is_said_beforehand() -> None:
    assert top_bar.fullness(2048, 1842) is None
    assert top_bar.fullness(0, 0) is None
    words = top_bar.fullness(2048, 1948)
    assert words is not None
    assert words.startswith("The context is 95% full: 100 tokens left.") and "ctrl+n" in words
    assert "nearly full" in top_bar.gauge(2048, 1948, 100).plain
    assert "context full" in top_bar.gauge(2048, 2048, 100).plain


def test_the_helix_has_its_size_and_turns() -> None:
    rows = lines(helix(20, 4))
    assert len(rows) == 4 and {len(row) for row in rows} == {20}
    assert helix(20, 4).plain != helix(20, 4, 1.0).plain
    assert helix(0, 0).plain == ""


def test_help_names_keys_and_shapes() -> None:
    text = help_text([("b 0   ctrl+b", "Switch speculation off")], 80).plain
    assert "b 0   ctrl+b" in text and "Switch speculation off" in text
    for word in ("✓ cell", "✗ cell", "→ cell", "★ cell", "· cell", "■", "▣", "◆", "□"):
        assert word in text


def test_figures_split_memory_into_parts_that_add_up() -> None:
    figures = Figures()
    assert figures.split() is None
    figures.feed(loaded())
    figures.feed(started(blocks=pool(table=((0, 2),), length=20)))
    assert figures.split() == Split(total=1000, target=300, draft=100, kv_used=20, kv_reserved=60, other=120, free=400)
    figures.feed(MemoryRead(DeviceMemory(1000, 900, 500)))
    low = figures.split()
    assert low is not None and low.other == 0 and low.free == 900
