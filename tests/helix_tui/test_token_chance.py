"""The token cursor shows the target's probability of its own words too."""

from __future__ import annotations

from dataclasses import replace

import pytest
from making import cycle

from helix_tui.journal import Journal
from helix_tui.render import token

RULED = cycle("fghi", "X", 2)


def journal(p: float | None) -> Journal:
    *kept, own = RULED.emitted
    made = Journal()
    made.rule = "argmax"
    made.add(replace(RULED, emitted=(*kept, replace(own, p=p))))
    return made


@pytest.mark.parametrize(("width", "height"), [(120, 10), (80, 7)])
def test_a_correction_has_its_p_beside_what_was_rejected(width: int, height: int) -> None:
    text = token.panel(journal(0.8125), 2, width, height).plain
    assert "target p 0.81   rejected here: ‘h’" in text
    assert ("p 0.81" in text.split("rejected here")[1]) == (height == 10)  # In its cell too.


def test_an_older_recording_says_nothing_of_it() -> None:
    text = token.panel(journal(None), 2, 120, 10).plain
    assert "rejected here: ‘h’" in text
    assert "target p" not in text.split("rejected here")[0]
