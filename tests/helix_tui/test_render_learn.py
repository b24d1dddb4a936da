"""Lessons tell what happened in the round that is on screen, in the words of five kinds of listeners."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from making import cycle, pool

from engine.events import Cycle, Drafted, Emitted
from helix_tui.render.example import MADE_UP, Cast, quote, refusal, story, table
from helix_tui.render.learn import FINISHED, NOT_YET, NOW, WIDEST, learn
from helix_tui.render.lessons import LESSONS, LEVELS, TITLES, Topic

TOPICS: tuple[Topic, ...] = ("speculation", "paging")


def round_of(drafted: str, kept: int, own: str) -> Cycle:
    """Words of `drafted` with their leading spaces; the target's own word."""
    words = re.findall(r" ?\S+", drafted)
    origin = "plain" if not words else "bonus" if kept == len(words) else "correction"
    tokens = tuple(Drafted(i, word, 0.5, 0.25, i < kept) for i, word in enumerate(words))
    emitted = tuple(Emitted(i, word, "draft") for i, word in enumerate(words[:kept]))
    last = (Emitted(9, own, origin),) if own else ()  # type: ignore[arg-type]
    return replace(cycle(), drafted=tokens, accepted=kept, emitted=emitted + last)


@pytest.mark.parametrize(
    ("drafted", "kept", "own", "said"),
    [
        (" the sky is", 2, " blue", "the draft guessed “the sky is”, the target kept two and wrote “blue” itself"),
        (" a b c", 3, " d", "the draft guessed “a b c”, the target kept all three and added “d”, which came free"),
        (" the sky", 2, " is", "the draft guessed “the sky”, the target kept both and added “is”, which came free"),
        (" the", 1, " sky", "the draft guessed “the”, the target kept it and added “sky”, which came free"),
        (" a", 0, " the", "the draft guessed “a”, the target refused it and wrote “the” itself"),
        (" a cat", 0, " the", "the draft guessed “a cat”, the target kept none and wrote “the” itself"),
        (" the sky is", 3, "", "the draft guessed “the sky is”, the target kept all three"),
        ("", 0, " blue", "the target wrote “blue” by itself, and nobody guessed"),
    ],
)  # fmt: skip
def test_a_round_is_told_in_one_sentence(drafted: str, kept: int, own: str, said: str) -> None:
    assert story(round_of(drafted, kept, own), Cast()) == said


def test_tokens_are_quoted_harmlessly() -> None:
    assert quote([" a", "\x1b[31m", "b"]) == "“a␛[31mb”"
    assert (quote(["\n"]), quote([" "]), quote([""])) == ("a line break", "a space", "a token without text")
    assert len(quote(["word "] * 100)) <= 50


def test_the_first_refused_token_is_named_with_its_odds() -> None:
    assert refusal(round_of(" the sky", 1, " sea")) == "“sky” had q 0.50 and p 0.25"
    assert refusal(round_of(" the", 1, " sea")) == ""


def test_the_block_table_is_written_in_runs() -> None:
    assert table(pool(((2, 3), (9, 1)), 60)) == "2–4, 9"
    assert table(pool()) == "empty"


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("level", range(1, 6))
def test_every_lesson_tells_of_the_round_and_changes_with_it(topic: Topic, level: int) -> None:
    one = replace(round_of(" the sky", 1, " sea"), blocks=pool(((2, 3),), 40), peak_blocks=4)
    other = replace(round_of(" a cat sat", 3, " down"), blocks=pool(((2, 5),), 70), peak_blocks=5)
    first, second = (learn(topic, level, round_, 80).plain for round_ in (one, other))
    assert NOW.strip() in first and first != second
    if topic == "speculation":
        assert "“the sky”" in first.replace("\n▎ ", " ") and "“a cat sat”" in second.replace("\n▎ ", " ")
    else:
        assert re.search(r"3 (blocks|cards)|2–4", first) and re.search(r"5 (blocks|cards)|2–6", second)


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("level", range(1, 6))
@pytest.mark.parametrize("width", [120, 76, 56, 30, 10, 1])
def test_lessons_keep_to_their_width(topic: Topic, level: int, width: int) -> None:
    for line in learn(topic, level, MADE_UP, width).split("\n"):
        assert line.cell_length <= min(width, WIDEST)


def test_without_a_round_the_example_is_made_up_and_says_so() -> None:
    text = learn("speculation", 3, None, 92).plain
    assert NOT_YET.strip() in text and "“the sky was dark”" in text
    assert NOT_YET.strip() not in learn("speculation", 3, MADE_UP, 92).plain
    assert FINISHED.strip() in learn("speculation", 3, MADE_UP, 92, running=False).plain


def test_the_made_up_round_could_be_one() -> None:
    kept = [token.kept for token in MADE_UP.drafted]
    assert kept == [True, True, False, False] and MADE_UP.accepted == 2
    assert [e.text for e in MADE_UP.emitted[:2]] == [d.text for d in MADE_UP.drafted[:2]]
    held = sum(n for _, n in MADE_UP.blocks.table)
    assert (held - 1) * 16 < MADE_UP.blocks.length <= held * 16 and MADE_UP.peak_blocks >= held
    assert MADE_UP.blocks.free + held + 2 == MADE_UP.blocks.total


def test_there_are_five_levels_of_two_topics() -> None:
    assert set(TITLES) == set(LESSONS) == set(TOPICS)
    assert all(len(lessons) == len(LEVELS) == 5 for lessons in LESSONS.values())
    assert len({id(lesson) for lessons in LESSONS.values() for lesson in lessons}) == 10


def test_the_engineer_is_told_where_it_comes_from() -> None:
    speculation, paging = ("".join((LESSONS[t][4].before, LESSONS[t][4].after)) for t in TOPICS)
    for paper in ("Leviathan et al. 2023", "Chen et al. 2023", "Sun et al. 2024"):
        assert paper in speculation
    assert "Kwon et al. 2023" in paging and "PagedAttention" in paging


def test_only_the_child_hears_of_friends_and_cards() -> None:
    for level in range(1, 6):
        text = learn("speculation", level, MADE_UP, 92).plain + learn("paging", level, MADE_UP, 92).plain
        assert ("friend" in text and "card" in text) == (level == 1)


def test_the_average_that_the_student_is_told_is_right() -> None:
    assert f"{(1 - 0.8**5) / (1 - 0.8):.1f} for α = 0.8 and γ = 4" in LESSONS["speculation"][2].after
