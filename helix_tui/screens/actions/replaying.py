"""A recording's own keys."""

from __future__ import annotations

from ...replay import ReplaySource
from ..core import ChatCore


class ReplayActions(ChatCore):
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("pause", "restart"):
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
