"""What a token can be traced back to, and how a round and a token are drawn and put into words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from making import cycle
from textual.content import Content

from engine.events import Drafted, Emitted
from helix_tui.journal import Journal
from helix_tui.render import slow, token
from helix_tui.render.round import chance, happened, row


def journal(*cycles: Any, rule: Any = "argmax") -> Journal:
    made = Journal()
    made.rule = rule
    for one in cycles:
        made.add(one)
    return made


ROUNDS = (cycle("abcd", "e", 4, index=0), cycle("fghi", "X", 2, index=1), cycle("", "y", index=2))


def lines(content: Content) -> list[str]:
    return content.plain.split("\n")


def test_each_token_is_traced_to_its_round_and_place() -> None:
    made = journal(*ROUNDS)
    assert made.tokens == 9
    assert "".join(made.trace(n).token.text for n in range(9)) == "abcdefgXy" == "".join(made.texts)
    assert [(made.trace(n).round, made.trace(n).place) for n in (0, 4, 5, 7, 8)] == [
        (0, 0), (0, 4), (1, 0), (1, 2), (2, 0),
    ]  # fmt: skip
    assert made.trace(6).draft == ROUNDS[1].drafted[1]
    assert [d.text for d in made.trace(7).rejected] == ["h", "i"]
    assert made.trace(6).rejected == made.trace(4).rejected == made.trace(8).rejected == ()
    assert [made.before(n) for n in range(4)] == ["", "abcde", "abcdefgX", "abcdefgXy"]


def test_a_round_without_a_token_takes_no_number() -> None:
    made = journal(ROUNDS[0], replace(cycle(""), emitted=()), ROUNDS[1])
    assert made.tokens == 8
    assert [made.trace(n).round for n in (4, 5, 7)] == [0, 2, 2]


def test_n_grams_are_judged_one_by_one() -> None:
    by_ngram = replace(ROUNDS[0], drafter="ngram")
    assert journal(rule="block").rule_of(by_ngram) == "token"
    assert journal(rule="block").rule_of(ROUNDS[0]) == "block"
    assert journal(rule="argmax").rule_of(by_ngram) == "argmax"
    assert journal(rule=None).rule_of(by_ngram) is None


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (cycle("abcd", "e", 4), "4 drafted, all kept; the same pass gave ‘e’ for free."),
        (cycle("a", "e", 1), "1 drafted, and kept; the same pass gave ‘e’ for free."),
        (cycle("abcd", "sky", 2), "4 drafted, 2 kept; the target said ‘sky’ instead of ‘c’."),
        (cycle("ab", "X", 0), "2 drafted, none kept; the target said ‘X’ instead of ‘a’."),
        (cycle("", "x"), "Nothing was drafted; the target wrote ‘x’ alone."),
        (cycle("abc", "", 2), "3 drafted, 2 kept; the reply ended there."),
        (cycle("abc", "", 3), "3 drafted, all kept; the reply ended there."),
    ],
)
def test_a_round_in_words(one: Any, words: str) -> None:
    assert happened(one) == words


def test_chances_have_four_characters() -> None:
    assert [chance(p) for p in (0, 0.001, 0.005, 0.624, 0.999, 1)] == ["0.00", "<.01", "0.01", "0.62", "1.00", "1.00"]


@pytest.mark.parametrize(
    ("rule", "p", "q", "kept", "words"),
    [
        ("argmax", 0.3, 0.6, True, "temperature 0: kept, the target's likeliest"),
        ("argmax", 0.3, 0.6, False, "temperature 0: rejected, not the target's likeliest"),
        ("token", 0.3, 0.6, True, "acceptance min(1, p/q) = 0.50"),
        ("token", 0.9, 0.6, True, "acceptance min(1, p/q) = 1.00"),
        ("token", 0.1, 0.0, True, "acceptance min(1, p/q) = 1.00"),
        ("block", 0.3, 0.6, True, "block verification judged all 4 together; alone: min(1, p/q) = 0.50"),
        (None, 0.3, 0.6, True, "min(1, p/q) = 0.50; the rule was not recorded"),
    ],
)
def test_the_rule_that_was_applied_is_said(rule: Any, p: float, q: float, kept: bool, words: str) -> None:
    assert token.verdict(Drafted(1, "x", q, p, kept), rule, 4) == words


def test_a_block_of_one_is_judged_like_a_token() -> None:
    assert token.verdict(Drafted(1, "x", 0.6, 0.3, True), "block", 1) == "acceptance min(1, p/q) = 0.50"


def test_the_panel_of_a_token_that_was_drafted() -> None:
    text = token.panel(journal(*ROUNDS, rule="token"), 6, 120, 9).plain
    assert "Token 7 of 9" in text and "round 2 of 3 · place 2 of 3" in text
    assert "✓ ‘g’" in text and "id 1" in text
    assert "accepted: the draft guessed it" in text
    assert "draft q 0.50  target p 0.50   acceptance min(1, p/q) = 1.00" in text
    assert "depth 4 · 10 ms: draft 1 ms, check 8 ms" in text


def test_the_panel_of_a_correction_says_what_was_thrown_away() -> None:
    text = token.panel(journal(*ROUNDS), 7, 150, 9).plain
    assert "→ ‘X’" in text and "corrected:" in text
    assert "rejected here: ‘h’ draft q 0.50  target p 0.50  and after it ‘i’" in text
    assert "temperature 0: rejected" in text
    marker = next(line for line in lines(token.panel(journal(*ROUNDS), 7, 150, 9)) if "▲" in line)
    cells = next(line for line in text.split("\n") if "✓ f" in line)
    assert abs(marker.index("▲") - cells.index("→ X")) < 6


def test_the_panel_of_a_bonus_and_of_a_plain_token() -> None:
    assert "bonus tokens are not judged" in token.panel(journal(*ROUNDS), 4, 120, 9).plain
    plain = token.panel(journal(*ROUNDS), 8, 120, 9).plain
    assert "plain: the target wrote it alone" in plain and "nothing was rejected here" in plain


def test_a_reopened_reply_says_that_its_rounds_are_gone() -> None:
    text = token.unknown(" sky", "draft", 3, 9, 120, 9).plain
    assert "Token 4 of 9" in text and "✓ ‘sky’" in text and "accepted" in text
    assert token.LOST in text


def test_a_row_has_what_was_drafted_its_chances_and_what_became_of_it() -> None:
    tokens, q, p, word = (line.plain for line in row(ROUNDS[1], "abc\nde", 120, 4))
    assert tokens.split() == ["abc", "⏎", "de", "✓", "f", "✓", "g", "✗", "h", "✗", "i", "→", "X"]
    assert q.split() == ["q", "0.50"] * 4 and p.split() == ["p", "0.50"] * 4
    assert word.split() == ["kept", "kept", "rejected", "dropped", "instead"]
    assert "rejected" not in "".join(line.plain for line in row(ROUNDS[1], "", 120, 3))
    assert len(row(ROUNDS[1], "", 12, 4)) == 1, "no room for chances"


def test_what_follows_the_end_of_the_reply_was_not_judged() -> None:
    one = cycle("abc", "", 2)
    ended = replace(one, emitted=(one.emitted[0], replace(one.emitted[1], text="")))
    *_, word = (line.plain for line in row(ended, "", 120, 4))
    assert word.split() == ["kept", "kept", "dropped"]
    assert "✓ ‘b’" in token.panel(journal(ended), 1, 120, 9).plain, "the end has the name it was drafted by"


def test_slow_motion_says_where_it_is() -> None:
    made = journal(*ROUNDS)
    held = slow.panel(made, None, 120, 10, held=True, running=True).plain
    assert held.startswith("Held after round 3 ─") and "Nothing was drafted; the target wrote ‘y’ alone." in held
    assert "esc stops the reply" in held
    back = slow.panel(made, 1, 120, 10, held=False).plain
    assert back.startswith("Looking back at round 2 of 3 ─") and "2 kept; the target said ‘X’ instead of ‘h’" in back
    assert "space closes" in back and "esc" not in back
    assert "Held before the first round." in slow.panel(None, None, 120, 10, held=True).plain
    assert "There is no round yet." in slow.panel(Journal(), None, 120, 10, held=False).plain


@pytest.mark.parametrize("width", [1, 7, 20, 38, 60, 120])
@pytest.mark.parametrize("height", [1, 2, 3, 4, 5, 7, 10])
@pytest.mark.parametrize("depth", [0, 1, 4, 16])
def test_both_panels_keep_to_their_room(width: int, height: int, depth: int) -> None:
    one = cycle("abcdefghijklmnop"[:depth], "zz\tz", depth // 2)
    wide = replace(one, emitted=(*one.emitted[:-1], Emitted(9, "漢字漢字漢字漢字", one.emitted[-1].origin)))
    for made in (journal(one), journal(wide, wide)):
        for content in (
            slow.panel(made, None, width, height, held=True),
            *(token.panel(made, n, width, height) for n in range(made.tokens)),
        ):
            assert len(lines(content)) <= height
            assert all(Content(line).cell_length <= width for line in lines(content))
