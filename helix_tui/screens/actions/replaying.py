"""A recording's own keys: hold, speed, and where to go on it."""

from __future__ import annotations

from ...replay import ReplaySource
from ..core import ChatCore

ACTIONS = ("pause", "restart", "speed", "skip", "skip_reply")


class ReplayActions(ChatCore):
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ACTIONS:
            return self.replaying
        return super().check_action(action, parameters)

    def action_pause(self) -> None:
        if isinstance(self.source, ReplaySource):
            self.view.held = self.source.toggle_pause()
            self.mark()

    def action_restart(self) -> None:
        if isinstance(self.source, ReplaySource):
            self.source.restart()
            self.view.held = False

    def action_speed(self, by: int) -> None:
        if isinstance(self.source, ReplaySource):
            self.source.change_speed(by)

    def action_skip(self, seconds: int) -> None:
        if isinstance(self.source, ReplaySource):
            self.source.skip(seconds)

    def action_skip_reply(self, by: int) -> None:
        if isinstance(self.source, ReplaySource):
            self.source.skip_reply(by)
