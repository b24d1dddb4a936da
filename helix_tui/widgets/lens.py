"""What is under the glass: a strip below the chat that shows one token or one round, large."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from textual.binding import Binding, BindingType
from textual.content import Content

from .key_bar import pair
from .panels import Panel, View

Picture = Callable[[int, int], Content]
"""Draws into so many columns and lines."""
Layer = Literal["token", "round"]
LAYERS: tuple[Layer, ...] = ("token", "round")
"""The one in front first."""
TOKEN, LINE = pair("Token"), pair("Line")


class Lens(Panel):
    """Shown only while there is something under it. It has the focus, and the keys, while a token is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "screen.walk(-1)", "Token", group=TOKEN, id="token.previous"),
        Binding("right", "screen.walk(1)", "Token", group=TOKEN, id="token.next"),
        Binding("up", "screen.walk_line(-1)", "Line", group=LINE, id="token.up"),
        Binding("down", "screen.walk_line(1)", "Line", group=LINE, id="token.down"),
        Binding("home", "screen.walk_end(0)", "First", show=False, id="token.first"),
        Binding("end", "screen.walk_end(1)", "Last", show=False, id="token.last"),
        Binding("escape", "screen.inspect", "Leave", id="token.leave"),
    ]

    def __init__(self, view: View, id: str) -> None:
        super().__init__(view, id)
        self._pictures: dict[Layer, Picture] = {}
        self.display = False

    def look(self, layer: Layer, picture: Picture | None) -> None:
        """Show this, drawn anew with each frame that changes something; None takes the layer away."""
        self._pictures.pop(layer, None)
        if picture is not None:
            self._pictures[layer] = picture
        self.can_focus = "token" in self._pictures
        self.display = bool(self._pictures)
        self.screen.set_class(self.display, "-lens")
        self.renew()

    def draw(self, width: int, height: int) -> Content:
        shown = next((self._pictures[layer] for layer in LAYERS if layer in self._pictures), None)
        return shown(width, height) if shown is not None else Content("")
