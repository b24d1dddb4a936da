"""The settings of this chat. They hold from the next question on; the file is never written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Select, Static

from engine import HelixError, Sampling

from ..messages import Depth
from ..render.setup import numbers, to_keep
from ..render.text import safe
from ..settings import Settings
from ..settings.table import BY_NAME

OWN = "as it is"
HINT = "enter in a field, or ctrl+s: from the next question on · esc changes nothing"


@dataclass(frozen=True, slots=True)
class Holding:
    """What a chat is asked with, as far as this screen can change it."""

    system: str
    sampling: Sampling
    depth: Depth
    max_tokens: int | None
    theme: str


class SetupScreen(ModalScreen[Holding | None]):
    """Ends with what shall hold, or None."""

    AUTO_FOCUS = ""  # It would scroll to the field, past the title.
    VERTICAL_BREAKPOINTS = [(0, "-h0"), (28, "-h28")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Close", id="setup.close", priority=True),
        Binding("ctrl+s", "apply", "Apply", id="setup.apply", priority=True),
    ]

    def __init__(self, now: Holding, settings: Settings, themes: list[str]) -> None:
        super().__init__()
        self._now = now
        self._settings = settings
        self._themes = themes
        prompts, samplings = settings.system_presets, settings.sampling_presets
        named = next((name for name, text in prompts.items() if text == now.system), OWN)
        preset = next((name for name, sampling in samplings.items() if sampling == now.sampling), OWN)
        self._prompts = _select([*prompts] + [OWN] * (named == OWN), named, "prompts")
        self._system = Input(now.system, placeholder="none", id="system")
        self._preset = _select([*samplings] + [OWN] * (preset == OWN), preset, "preset")
        self._numbers = Static("", markup=False, classes="note")
        self._depth = Input(str(now.depth), placeholder="auto", id="depth")
        self._most = Input("" if now.max_tokens is None else str(now.max_tokens), placeholder="to the end", id="most")
        self._theme = _select(themes, now.theme, "theme")
        self._said = Static("", markup=False, id="said")

    def compose(self) -> ComposeResult:
        with Vertical(id="setup"):
            yield Static(Content.assemble(("Settings of this chat", "bold $accent")), markup=False, classes="title")
            for label, widgets in (
                ("System prompt", (self._prompts, self._system)),
                ("Sampling", (self._preset, self._numbers)),
                ("Depth: auto, or 0 to 16", (self._depth,)),
                ("Longest reply, in tokens", (self._most,)),
                ("Theme", (self._theme,)),
            ):
                yield Static(label, markup=False, classes="label")
                yield from widgets
            yield self._said
            yield Static(HINT, markup=False, classes="note")

    def on_mount(self) -> None:
        self._prompts.focus(scroll_visible=False)
        self._show()

    @on(Select.Changed, "#prompts")
    def _fill(self) -> None:
        if self._prompts.value != OWN:
            self._system.value = self._settings.system_presets.get(str(self._prompts.value), "")
        self._show()

    @on(Select.Changed)
    @on(Input.Changed)
    def _show(self) -> None:
        """The numbers of the preset, and what to write into the file to keep all this."""
        self._numbers.update(Content(numbers(self._sampling)))
        try:
            changes = self._changes()
        except HelixError as error:
            self._said.update(Content.assemble((safe(str(error)), "$rejected")))
            return
        lines = to_keep(changes, self._settings)
        if lines:
            lines.insert(0, f"To keep this, write into {self._settings.path}:")
        self._said.update(Content(safe("\n".join(lines))))

    @property
    def _sampling(self) -> Sampling:
        return self._settings.sampling_presets.get(str(self._preset.value), self._now.sampling)

    def _changes(self) -> dict[str, Any]:
        """By the ids of the settings. Raises InvalidRequest."""
        most, system = self._most.value.strip(), self._system.value.strip()
        return {
            # The file may name a preset.
            "chat.system": self._settings["chat.system"] if system == (self._settings.system or "") else system,
            "chat.depth": _read("depth", self._depth.value.strip() or "auto"),
            "chat.max_tokens": _read("max_tokens", most) if most else None,
            "sampling.preset": self._settings["sampling.preset"] if self._preset.value == OWN else self._preset.value,
            "look.theme": self._theme.value,
        }

    @on(Input.Submitted)
    def action_apply(self) -> None:
        try:
            changes = self._changes()
        except HelixError:
            return  # The sentence stands there already.
        self.dismiss(
            Holding(
                self._system.value.strip(),
                self._sampling,
                changes["chat.depth"],
                changes["chat.max_tokens"],
                changes["look.theme"],
            )
        )


def _select(names: list[str], value: str, id: str) -> Select[str]:
    return Select([(safe(name), name) for name in names], value=value, allow_blank=False, id=id, compact=True)


def _read(name: str, text: str) -> Any:
    kind = BY_NAME[name].kind
    return kind.check(name, kind.read(text))
