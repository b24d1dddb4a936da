"""A screen beside the chat: what the race, the swarm and the KV map have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen

from ..render.public import public
from ..stage import STAGE
from ..widgets.key_bar import keys_of
from .help import HelpScreen

if TYPE_CHECKING:
    from .core import ChatCore


class BesideScreen(Screen[None]):
    """Tells of its own keys, and goes on stage and back as the chat does."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f8", "stage", "Before an audience, and back", show=False, id="beside.stage", priority=True)
    ]
    chat: ChatCore

    def told(self, words: str) -> str:
        """An error's words; on stage without paths and names."""
        return public(words) if self.app.has_class(STAGE) else words

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen(keys=keys_of(self)))

    async def action_stage(self) -> None:
        await self.chat.run_action("stage")
