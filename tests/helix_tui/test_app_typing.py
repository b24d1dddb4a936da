"""Keys that come faster than they are handled: pasted, typed while the machine is busy, or sent by a script."""

from __future__ import annotations

import threading

from driving import drive, questions, replies, until
from scripted import ScriptedEngine, loader
from textual import events
from textual.pilot import Pilot

from helix_tui.app import HelixApp
from helix_tui.sources import LiveSource


def burst(app: HelixApp, *texts: str) -> None:
    """All the keys at once, as a terminal delivers them when the app was busy; each text ends in Enter."""
    for text in texts:
        for character in text:
            app.post_message(events.Key("space" if character == " " else character, character))
        app.post_message(events.Key("enter", "\r"))


def test_two_questions_in_one_burst_are_two_questions() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        burst(app, "first one", "second")
        await until(pilot, lambda: questions(app)[:1] == ["first one"], "for the first question")
        # The second came while the first was answered: it is asked after it, or it still stands in the prompt.
        await until(
            pilot, lambda: questions(app)[1:] == ["second"] or app.chat.prompt.text == "second", "for the other"
        )
        await until(pilot, lambda: replies(app) and not app.chat.answering, "for the replies")
        assert len(replies(app)) == len(questions(app))

    drive(scenario)


def test_what_is_typed_while_loading_is_asked_in_order() -> None:
    gate = threading.Event()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await until(pilot, lambda: app.chat.prompt.has_focus, "for the prompt")
        burst(app, "one", "two")
        await until(pilot, lambda: questions(app) == ["one", "two"], "for both to be noted")
        assert app.chat.prompt.text == ""
        gate.set()
        await until(pilot, lambda: len(replies(app)) == 2 and not app.chat.answering, "for both replies")

    source = LiveSource(loader=loader(ScriptedEngine(), wait=gate))
    drive(scenario, source=source, ready=False)


def test_enter_takes_all_that_was_typed_before_it_and_nothing_after() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        burst(app, "the whole question")
        app.post_message(events.Key("x", "x"))
        await until(pilot, lambda: questions(app) == ["the whole question"], "for the question")
        await until(pilot, lambda: app.chat.prompt.text == "x", "for what came after")

    drive(scenario)
