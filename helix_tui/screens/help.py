"""Keys, and what the colours and shapes mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.widget import Widget

from ..keys import COMMANDS, written
from ..render.help import help_text, key_text

Rows = Sequence[tuple[str, str]]
"""Keys, and what they do."""


class HelpScreen(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q,enter", "dismiss", "Close", key_display="esc", id="help.close")
    ]

    def __init__(self, keymap: Mapping[str, str] | None = None, *, keys: Rows | None = None) -> None:
        """Of the chat, with its own keys in `keymap` by the ids of bindings; or the `keys` of another screen alone."""
        super().__init__()
        self._words = HelpText(keys) if keys is not None else HelpText(_chat_keys(keymap), whole=True)

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help"):
            yield self._words

    def on_mount(self) -> None:
        self.query_one("#help").focus()


class HelpText(Widget):
    """Laid out for its width."""

    def __init__(self, keys: Rows, *, whole: bool = False) -> None:
        super().__init__()
        self._keys = keys
        self._draw = help_text if whole else key_text

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._draw(self._keys, width).wrap(max(1, width)))

    def render(self) -> Content:
        return self._draw(self._keys, self.size.width)


def _chat_keys(keymap: Mapping[str, str] | None) -> Rows:
    return [(written(command, keymap), command.help) for command in COMMANDS]
