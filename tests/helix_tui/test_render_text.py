"""Text made safe, fitted and wrapped."""

from __future__ import annotations

import random

import pytest
from rich.cells import cell_len

from helix_tui.render.flow import Flow, wrap
from helix_tui.render.text import fit, label, safe


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text\nnext", "plain text\nnext"),
        ("\x1b[2J", "␛[2J"),
        ("a\r\nb\rc", "a\nb␍c"),
        ("\ta", "    a"),
        ("\x7f\x00\x9b", "␡␀�"),
        ("\u202eevil\u2066", "�evil�"),
        ("\ud800", "�"),
        ("é 世 👩‍👩‍👧 مرحبا", "é 世 👩‍👩‍👧 مرحبا"),
        ("[red]x[/]", "[red]x[/]"),
    ],
)
def test_safe(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_nothing_that_moves_the_cursor_survives() -> None:
    every = "".join(chr(c) for c in range(0x300))
    kept = [c for c in safe(every) if ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0]
    assert kept == ["\n"]


@pytest.mark.parametrize(
    ("token", "shown"),
    [(" the", "the"), ("\n\n", "⏎⏎"), (" ", "␣"), ("", "∅"), ("\x1b[", "␛["), ("a\nb", "a b"), ("\t", "⇥")],
)
def test_label(token: str, shown: str) -> None:
    assert label(token) == shown


@pytest.mark.parametrize("width", range(8))
@pytest.mark.parametrize("text", ["", "ab", "abcdefghij", "世界世界", "e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301"])
def test_fit_is_exact(text: str, width: int) -> None:
    for align in ("left", "right", "center"):
        assert cell_len(fit(text, width, align)) == width


def test_fit_cuts_whole_characters() -> None:
    assert fit("世界", 3) == "世…"
    assert fit("世界", 2) == "… "
    assert fit("abc", 5, "right") == "  abc"


def lines(text: str, width: int) -> list[str]:
    flow = Flow(width)
    flow.extend([(text, "plain")])
    return [line.text for line in flow.lines]


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("", 5, [""]),
        ("one two three", 7, ["one two ", "three"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("ab cdefghij", 4, ["ab ", "cdef", "ghij"]),
        ("a\n\nb\n", 5, ["a", "", "b", ""]),
        ("世界世", 4, ["世界", "世"]),
        ("世界世", 5, ["世界", "世"]),
        ("a世b", 2, ["a", "世", "b"]),
        ("abe\u0301", 3, ["abe\u0301"]),
        ("\u200da \u200db", 9, ["a b"]),
        ("a❤️b", 3, ["a❤️", "b"]),
        ("  indented", 20, ["  indented"]),
        ("x", 0, ["x"]),
    ],
)
def test_wrapping(text: str, width: int, expected: list[str]) -> None:
    assert lines(text, width) == expected


ALPHABET = ["a", "bc", " ", "  ", "\n", "世", "👩‍👩‍👧", "\u0301", "longerword", "é", "-"]


def test_streaming_gives_the_same_lines_as_all_at_once() -> None:
    chance = random.Random(4)
    for _ in range(400):
        text = "".join(chance.choice(ALPHABET) for _ in range(chance.randrange(60)))
        width = chance.randrange(1, 14)
        whole = Flow(width)
        whole.extend([(text, "draft")])
        streamed = Flow(width)
        rest = text
        while rest:
            cut = chance.randrange(1, len(rest) + 1)
            before = [line.text for line in streamed.lines]
            first = streamed.extend([(rest[:cut], "draft")])
            assert [line.text for line in streamed.lines][:first] == before[:first]
            rest = rest[cut:]
        assert [(ln.text, ln.cells) for ln in streamed.lines] == [(ln.text, ln.cells) for ln in whole.lines], text
        assert "".join(ln.text for ln in whole.lines) == text.replace("\n", "")
        for line in whole.lines:
            assert line.cells == cell_len(line.text)
            assert cell_len(line.text.rstrip(" ")) <= max(width, 2)
        resized = Flow(30)
        resized.extend([(text, "draft")])
        assert resized.resize(width) is True
        assert [ln.text for ln in resized.lines] == [ln.text for ln in whole.lines]


def test_a_combining_mark_keeps_the_kind_of_its_base() -> None:
    flow = Flow(10)
    flow.extend([("ae", "draft")])
    flow.extend([("\u0301b", "bonus")])
    assert flow.lines[0].runs == [("ae\u0301", "draft"), ("b", "bonus")]


def test_neighbours_of_one_kind_are_one_run() -> None:
    flow = Flow(10)
    flow.extend([("a", "draft"), ("b", "draft"), ("", "bonus"), ("c", "plain")])
    assert flow.lines[0].runs == [("ab", "draft"), ("c", "plain")]
    assert flow.resize(10) is False


@pytest.mark.parametrize("width", [1, 2, 5, 11, 40])
def test_plain_text_is_wrapped_by_words_as_it_would_be_by_characters(width: int) -> None:
    rng = random.Random(width)
    for _ in range(300):
        text = "".join(rng.choice("ab.  \n") for _ in range(rng.randrange(60)))
        # Characters of alternating kinds go the long way.
        assert [line.text for line in wrap([(text, "question")], width)] == [
            line.text for line in wrap([(c, str(i % 2)) for i, c in enumerate(text)], width)
        ]


def test_a_book_is_wrapped_by_words() -> None:
    lines = wrap([("word " * 50_000, "question")], 80)
    assert sum(line.cells for line in lines) == 250_000
    assert max(len(line.text.rstrip()) for line in lines) <= 80
