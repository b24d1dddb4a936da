"""Stop strings, wherever the text is cut."""

from __future__ import annotations

import random

import pytest

from engine.stops import StopMatcher


def whole(text: str, stops: list[str]) -> tuple[str, bool]:
    """What must be shown of `text`: all before the stop that is complete first (the longest of those)."""
    for end in range(1, len(text) + 1):
        found = [stop for stop in stops if text[:end].endswith(stop)]
        if found:
            return text[: end - max(map(len, found))], True
    return text, False


def pushed(pieces: list[str], stops: list[str]) -> tuple[list[str], bool]:
    matcher = StopMatcher(stops)
    shown = []
    for piece in pieces:
        text, stopped = matcher.push(piece)
        shown.append(text)
        if stopped:
            return shown, True
    return [*shown, matcher.flush()], False


def cut(text: str, chooser: random.Random) -> list[str]:
    pieces = []
    while text:
        size = chooser.randrange(0, 4)
        pieces.append(text[:size])
        text = text[size:]
    return pieces


@pytest.mark.parametrize("seed", range(5))
def test_any_cut_shows_the_same(seed: int) -> None:
    chooser = random.Random(seed)
    ends = {True: 0, False: 0}
    for _ in range(3000):
        text = "".join(chooser.choices("ab.", k=chooser.randrange(0, 25)))
        stops = ["".join(chooser.choices("ab.", k=chooser.randrange(2, 6))) for _ in range(chooser.randrange(0, 4))]
        shown, stopped = pushed(cut(text, chooser), stops)
        assert ("".join(shown), stopped) == whole(text, stops)
        ends[stopped] += 1
    assert min(ends.values()) > 500


def test_no_part_of_a_stop_is_ever_shown() -> None:
    shown, stopped = pushed(["I say ", "E", "N", "D", " and more"], ["END"])
    assert (shown, stopped) == (["I say ", "", "", ""], True)


def test_a_false_start_is_shown_as_soon_as_it_is_one() -> None:
    assert pushed(["a\n", "\n", "b"], ["\n\n\n"]) == (["a", "", "\n\nb", ""], False)


def test_held_back_text_comes_with_the_end() -> None:
    assert pushed(["well <", "|e"], ["<|end|>"]) == (["well ", "", "<|e"], False)


def test_without_stops_everything_passes() -> None:
    assert pushed(["a", "", "b"], []) == (["a", "", "b", ""], False)
