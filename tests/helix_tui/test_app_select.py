"""Choosing a message by keyboard."""

from __future__ import annotations

from driving import ask, drive, replies
from textual.pilot import Pilot

from helix_tui.app import HelixApp
from helix_tui.widgets.turns import QuestionView


def test_k_and_j_choose_a_message_and_the_last_is_meant_when_none_is_chosen() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        transcript = app.chat.transcript
        assert transcript.selected is None
        await ask(pilot, app, "one")
        await ask(pilot, app, "two")
        assert transcript.selected is replies(app)[-1]
        await pilot.press("escape", "k", "k")
        chosen = transcript.selected
        assert isinstance(chosen, QuestionView)
        assert chosen.text == "two"
        await pilot.press("k", "k", "k", "k")
        assert isinstance(transcript.selected, QuestionView)
        assert transcript.selected.text == "one"
        await pilot.press("j", "j", "j", "j")
        assert not app.chat.query(".-selected")
        assert transcript.selected is replies(app)[-1]

    drive(scenario)
