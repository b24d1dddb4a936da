"""Where the person writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from textual import events
from textual.binding import Binding
from textual.message import Message
from textual.widgets import TextArea

from ..sent import History

PLACEHOLDER = "Ask anything"


class Prompt(TextArea):
    """Enter sends, ctrl+j or alt+enter breaks the line, the arrow keys bring back what was sent."""

    BINDINGS = [  # noqa: RUF012
        Binding("enter", "send", "Send", id="prompt.send"),
        Binding(
            "ctrl+j,alt+enter,shift+enter", "newline", "New line", key_display="^j", show=False, id="prompt.newline"
        ),
    ]

    class Sent(Message):
        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(
        self,
        *,
        refusal: Callable[[], str | None] = lambda: None,
        disabled: bool = False,
        placeholder: str = PLACEHOLDER,
        keymap: Mapping[str, str] | None = None,
        blink: bool = True,
    ) -> None:
        """`refusal` says why nothing can be sent now; the text then stays. `keymap` gives its commands other keys."""
        super().__init__(
            soft_wrap=True,
            show_line_numbers=False,
            compact=True,
            highlight_cursor_line=False,
            placeholder=placeholder,
            disabled=disabled,
        )
        self.cursor_blink = blink
        self.sent = History()
        self._keys = prompt_keys(keymap or {})
        self._refusal = refusal

    async def _on_key(self, event: events.Key) -> None:
        # Here and not by priority: keys typed fast must keep their order, and those after Enter are the next text's.
        if (command := self._keys.get(event.key)) is not None:
            event.stop()
            event.prevent_default()
            command(self)
        else:
            await super()._on_key(event)

    def action_send(self) -> None:
        if not self.text.strip():
            return
        if (reason := self._refusal()) is not None:
            self.notify(reason, timeout=4)
            return
        self.sent.add(self.text)
        self.post_message(self.Sent(self.text))
        self.clear()

    def action_newline(self) -> None:
        self.insert("\n")

    def action_cursor_up(self, select: bool = False) -> None:
        if select or self.cursor_location[0] > 0 or not self._recall(self.sent.older(self.text)):
            super().action_cursor_up(select)

    def action_cursor_down(self, select: bool = False) -> None:
        last = self.document.line_count - 1
        if select or self.cursor_location[0] < last or not self._recall(self.sent.newer()):
            super().action_cursor_down(select)

    def _recall(self, text: str | None) -> bool:
        if text is None:
            return False
        self.load_text(text)
        self.move_cursor(self.document.end)
        return True


COMMANDS: dict[str, Callable[[Prompt], None]] = {
    "prompt.send": Prompt.action_send,
    "prompt.newline": Prompt.action_newline,
}


def prompt_keys(keymap: Mapping[str, str]) -> dict[str, Callable[[Prompt], None]]:
    """What each key of the prompt does."""
    standard = {binding.id: binding.key for binding in Prompt.BINDINGS if isinstance(binding, Binding)}
    return {key: command for id, command in COMMANDS.items() for key in keymap.get(id, standard.get(id, "")).split(",")}
