"""A recording's own keys: hold, speed, and where to go on it; and the demo, over a chat that goes on beneath."""

from __future__ import annotations

from engine import BadRecording

from ...conversation import Conversation
from ...demo import demo_source
from ...render.card import card
from ...replay import ReplaySource
from ...store import Store
from ..core import ChatCore

ACTIONS = ("restart", "speed", "skip", "skip_reply")


class ReplayActions(ChatCore):
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ACTIONS:
            return self.replaying
        if action == "demo":
            return not self.replaying
        if action == "leave":
            return self.replaying and len(self.app.screen_stack) > 1
        return super().check_action(action, parameters)

    def action_restart(self) -> None:
        if isinstance(self.source, ReplaySource):
            self.source.restart()
            self.view.held = False

    def action_speed(self, by: int) -> None:
        if isinstance(self.source, ReplaySource):
            self.view.rate = self.source.change_speed(by)
            self.mark()

    def action_skip(self, seconds: int) -> None:
        if isinstance(self.source, ReplaySource):
            self.source.skip(seconds)

    def action_skip_reply(self, by: int) -> None:
        if isinstance(self.source, ReplaySource):
            self.source.skip_reply(by)

    def action_demo(self) -> None:
        """On a screen of its own, so that coming back finds everything as it was."""
        try:
            source = demo_source()
        except BadRecording as error:
            self.transcript.card(card("BadRecording", str(error)))
            return
        screen = type(self)(
            source,
            Conversation(settings=self.settings),
            record=None,
            preferences=self.preferences,
            clock=self.clock,
            store=Store(None),
        )
        self.app.push_screen(screen)

    def action_leave(self) -> None:
        self.app.pop_screen()
