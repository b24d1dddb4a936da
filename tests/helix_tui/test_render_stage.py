"""The stage's figures are as large as fits, and what is said there gives nobody away."""

from __future__ import annotations

import pytest
from making import cycle, finished, loaded, model, started

from helix_tui.render.digits import large
from helix_tui.render.public import public
from helix_tui.render.stage import digits, digits_height
from helix_tui.render.top_bar import stage_bar
from helix_tui.speed import Speed

WHO = ("/home/jane", "jane", "janes-laptop.local", "janes-laptop")


def measured() -> Speed:
    """100 tokens/s plain, 212 speculating."""
    speed = Speed()
    for seconds, drafted in ((0.01, ""), (4 / 212, "abc")):
        speed.feed(started())
        for index in range(12):
            speed.feed(cycle(drafted, kept=len(drafted), index=index, seconds=seconds))
        speed.feed(finished(decode_tokens_per_s=212.0 if drafted else 100.0))
    return speed


def test_large_figures_grow_by_whole_pixels() -> None:
    assert large("1") == ["▀█ ", " █ ", "▄█▄"]
    assert large("1", 2) == ["████  ", "  ██  ", "  ██  ", "  ██  ", "  ██  ", "██████"]
    for scale in (1, 2, 3):
        rows = large("0123456789.,×–", scale)
        assert len(rows) == 3 * scale and len({len(row) for row in rows}) == 1


@pytest.mark.parametrize("size", [(150, 40), (76, 10), (58, 8), (56, 18), (40, 20), (30, 9), (12, 3), (1, 1)])
def test_the_figures_keep_to_their_room(size: tuple[int, int]) -> None:
    width, height = size
    for speed in (Speed(), measured()):
        lines = digits(speed, width, height).split("\n")
        assert len(lines) <= max(height, 1)
        assert all(line.cell_length <= width for line in lines)
        assert digits_height(width, height) <= height


@pytest.mark.parametrize(("size", "rows"), [((150, 20), 9), ((76, 9), 6), ((58, 8), 3), ((40, 20), 6)])
def test_they_are_as_large_as_fits(size: tuple[int, int], rows: int) -> None:
    lines = [line.plain.rstrip() for line in digits(measured(), *size).split("\n")]
    first = lines[:rows]
    assert all(first) and "tokens a second" in lines[rows]
    assert any("as fast as the target alone" in line for line in lines)


def test_a_ratio_that_was_not_measured_is_not_shown() -> None:
    speed = Speed()
    assert "as fast as" not in digits(speed, 80, 10).plain
    assert "no baseline" in digits(speed, 80, 10).plain


def test_the_bar_of_the_stage_has_no_names() -> None:
    bar = stage_bar(loaded(target=model(300, "/home/jane/secret")), 80, replay=True, rate=0.5, recording=True).plain
    assert bar.strip() == "helix  REPLAY at 0.5×   ● REC   24.4M ⇠ 3.1M  on cpu"
    assert stage_bar(None, 80, replay=False).plain.strip() == "helix"
    assert stage_bar(loaded(), 12, replay=True).cell_length <= 12


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("There is no folder /home/jane/My models; give a folder.", "There is no folder … models; give a folder."),
        ("Cannot read C:\\Users\\Jane\\m.jsonl: no such file", "Cannot read …: no such file"),
        ("Recorded to ~/.local/share/x.jsonl", "Recorded to …"),
        ("./models/a is missing", "… is missing"),
        ("Hello Jane, from janes-laptop.", "Hello …, from …."),
        ("212 tokens/s on cpu, 3/4 kept, org/model", "212 tokens/s on cpu, 3/4 kept, org/model"),
        ("janet is somebody else", "janet is somebody else"),
        ("", ""),
    ],
)
def test_paths_and_names_are_taken_out(said: str, shown: str) -> None:
    assert public(said, WHO) == shown
