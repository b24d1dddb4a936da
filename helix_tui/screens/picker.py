"""Choosing a model: what is here, what would fit, and fetching it while the chat goes on beneath."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from engine.events import Loading

from ..models import Pair
from ..picking import Errand, Found, Refused, Told, Wanted
from ..render import picker as words
from ..render.loading import loading
from ..render.text import safe

HINT = "enter loads · tab goes to the names, which can be typed · esc closes"
NONE = "none"


class PickerScreen(ModalScreen[Pair | None]):
    """Ends with the pair to load, everything of it on this machine, or with None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Close", id="picker.close", priority=True),
        Binding("down", "list", show=False, id="picker.list"),
    ]

    def __init__(
        self,
        current: Pair,
        before: Pair | None = None,
        *,
        folders: Sequence[str] = (),
        load: Mapping[str, Any] | None = None,
        clock: Callable[[], float],
    ) -> None:
        """`before` is the last pair that worked, offered first where `current` failed. `load` has device and dtype."""
        super().__init__()
        self._current = current
        self._before = before
        self._clock = clock
        self._since = 0.0
        self._pairs: list[Pair] = []
        self._confirmed: Pair | None = None
        self._errand = Errand(folders, dict(load or {}), self.post_message)
        self._list = OptionList(id="models", markup=False)
        self._target = Input(self._current.target, placeholder="bundled, a folder, or a name on the hub", id="target")
        self._draft = Input(self._current.draft, placeholder=NONE, id="draft")
        self._said = Static("", markup=False, id="said")

    def compose(self) -> ComposeResult:
        with Vertical(id="picker"):
            yield Static(Content.assemble(("Models", "bold $accent")), markup=False)
            yield self._list
            yield Static("Target", markup=False, classes="label")
            yield self._target
            yield Static("Draft", markup=False, classes="label")
            yield self._draft
            yield self._said
            yield Static(HINT, markup=False, classes="hint")

    def on_mount(self) -> None:
        self._show(Found())
        self._list.focus()
        self.set_interval(0.1, self._follow)
        self._errand.find()

    def on_unmount(self) -> None:
        self._errand.cancel()

    @property
    def pair(self) -> Pair:
        """As it stands in the two fields."""
        return Pair(self._target.value.strip(), self._draft.value.strip() or NONE)

    def _show(self, found: Found) -> None:
        """Fill the list; what is highlighted stays."""
        width = max(24, min(86, self.app.size.width) - 10)
        here = [(pair, "loaded now" if pair == self._current else "in a folder") for pair in found.folders]
        cached = [(pair, "loaded now" if pair == self._current else "downloaded") for pair in found.cached]
        groups: list[tuple[str, list[tuple[Pair, str]]]] = [
            ("", self._first()), ("In your folders", here), ("In the hub's cache", cached),
            (found.title, [(pair, note) for pair, note in found.suggested]),
        ]  # fmt: skip
        kept = self._list.highlighted
        self._pairs = []
        self._list.clear_options()
        for title, entries in groups:
            if title and entries:
                self._list.add_option(Option(Content.assemble((title, "$faint")), disabled=True))
            for pair, note in entries:
                self._list.add_option(Option(words.row(pair.title, note, width), id=str(len(self._pairs))))
                self._pairs.append(pair)
        self._list.highlighted = kept if kept is not None else 0

    def _first(self) -> list[tuple[Pair, str]]:
        bundled = Pair("bundled", "auto")
        entries = [] if self._before is None else [(self._before, "the one before")]
        if bundled != self._before:
            entries.append((bundled, "loaded now" if self._current.target == "bundled" else "comes with Helix"))
        return entries

    @on(OptionList.OptionHighlighted)
    def _fill(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_id is None or isinstance(self.focused, Input):
            return
        pair = self._pairs[int(event.option_id)]
        self._target.value, self._draft.value = pair.target, pair.draft
        self._confirmed = None
        self._errand.weigh(pair)

    @on(OptionList.OptionSelected)
    @on(Input.Submitted)
    def _choose(self) -> None:
        if self._errand.fetching:
            return
        if not self.pair.target:
            self._say(Content("Write a folder or a name on the hub, or choose one above."))
            return
        self._since = self._clock()
        self._errand.prepare(self.pair, sure=self._confirmed == self.pair)

    def on_found(self, message: Found) -> None:
        self._show(message)

    def on_told(self, message: Told) -> None:
        if message.pair == self.pair and not self._errand.fetching:
            self._say(words.memory(message.estimate))
            if message.asks:
                self._confirmed = message.pair
                more = "download it" if message.estimate.download else "try all the same"
                self._say(
                    Content.assemble(words.memory(message.estimate), "\n", (f"Enter again: {more}.", "bold $accent"))
                )

    def on_refused(self, message: Refused) -> None:
        self._say(Content.assemble((safe(message.sentence), "$rejected")))

    def on_wanted(self, message: Wanted) -> None:
        self.dismiss(message.pair)

    def _follow(self) -> None:
        """How far a download has come."""
        event = self._errand.progress
        if self._errand.fetching and isinstance(event, Loading):
            line = loading(event, self._clock() - self._since, max(20, self._said.size.width))
            self._say(Content.assemble(line, "\n", ("esc stops the download", "$muted")))

    def _say(self, what: Content) -> None:
        self._said.update(what)

    def action_list(self) -> None:
        self._list.focus()

    def action_leave(self) -> None:
        if self._errand.fetching:
            self._errand.cancel()
            self._say(Content("The download has stopped; what came is kept for the next time."))
        else:
            self.dismiss(None)
