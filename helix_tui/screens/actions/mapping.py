"""The KV map over the chat."""

from __future__ import annotations

from ..core import ChatCore
from ..map import MapScreen


class MapActions(ChatCore):
    def action_map(self) -> None:
        self.app.push_screen(MapScreen(self))
