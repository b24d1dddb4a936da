"""The footer's keys: as many as fit, each whole; the help's key stays, for it tells of the others."""

from __future__ import annotations

from typing import Any

from textual import events
from textual.binding import Binding
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer
from textual.widgets._footer import FooterKey, FooterLabel, KeyGroup

HELP = "help"
"""The action of the key that is never left out."""


def help_key(screen: str) -> Binding:
    """The help's key on a screen beside the chat, with an id of its own for a person's settings."""
    return Binding("question_mark,f1", HELP, "Help", key_display="?", id=f"{screen}.help")


def pair(label: str) -> Binding.Group:
    """Two keys that are one thing to and fro share a place."""
    return Binding.Group(label, compact=True)


class KeyBar(Footer):
    """Textual's footer cuts the last key where the screen ends."""

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)

    async def recompose(self) -> None:
        async with self.batch():
            await super().recompose()
            self._fit(self.size.width)

    def on_resize(self, event: events.Resize) -> None:
        self._fit(event.size.width)

    def _fit(self, width: int) -> None:
        """Show the keys from the left while there is room."""
        if width <= 0:
            return
        places = self._places()
        kept = sum(_width(part) for place in places if _is_help(place) for part in place)
        room = width - kept
        full = False
        for place in places:
            if not _is_help(place):
                needed = sum(_width(part) for part in place)
                full = full or needed > room
                room -= needed
            for part in place:
                part.display = _is_help(place) or not full

    def _places(self) -> list[list[Widget]]:
        """Keys that share a label stand in one place with it."""
        places: list[list[Widget]] = []
        for part in self.children:
            if isinstance(part, FooterLabel) and places:
                places[-1].append(part)
            else:
                places.append([part])
        return places


def _is_help(place: list[Widget]) -> bool:
    return isinstance(place[0], FooterKey) and place[0].action == HELP


def _width(part: Widget) -> int:
    """Cells with its margin. Counted from the words: nothing is laid out yet."""
    if isinstance(part, FooterKey):
        return part.render().cell_len
    if isinstance(part, KeyGroup):
        return sum(_width(key) for key in part.children) + 2  # Its padding and its margin.
    return part.get_content_width(part.app.size, part.app.size) + 1


def keys_of(screen: Screen[Any]) -> list[tuple[str, str]]:
    """What each key of a screen does now, by the keys as a person reads them: for its help."""
    told: dict[str, list[str]] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        if binding.description and binding.id and not binding.system:
            shown = told.setdefault(active.tooltip or binding.description, [])
            key = screen.app.get_key_display(binding)
            if key not in shown:
                shown.append(key)
    return [("   ".join(keys), words) for words, keys in told.items()]
