"""The app: theme, lifecycle, and one screen."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any, ClassVar

from textual.app import SystemCommand
from textual.filter import ANSIToTruecolor, LineFilter
from textual.screen import Screen

from engine import Sampling, Speculation

from .commands import HelixCommands
from .conversation import Conversation
from .leaving import Told, obey_signals, signals_kept
from .messages import Chat, Depth, Question
from .quiet import hush_libraries, quiet
from .screens.chat import ChatScreen
from .sent import History
from .sent_file import SentFile
from .settings import Settings
from .sources import Source
from .stage import StagedApp
from .store import Store
from .themes import THEMES, colours

PATIENCE = 10.0
"""Seconds to wait for the worker's last cycle before leaving anyway."""


class HelixApp(StagedApp):
    """Chat with the model behind `source`, and watch it speculate."""

    CSS_PATH: ClassVar[list[str | PurePath]] = [
        f"screens/{name}.tcss"
        for name in ("chat", "help", "library", "map", "picker", "race", "setup", "swarm", "stage", "learn")
    ]
    TITLE = "helix"
    COMMANDS: ClassVar[set[Any]] = {HelixCommands}
    ENABLE_COMMAND_PALETTE = True

    def __init__(
        self,
        source: Source,
        *,
        depth: Depth = 4,
        sampling: Sampling | None = None,
        max_tokens: int | None = None,
        system: str | None = None,
        seed: int | None = None,
        record: Path | None = None,
        settings: Settings | None = None,
        race: Chat | None = None,
        store: Store | None = None,
        conversation: Conversation | None = None,
        sent: SentFile | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`settings` are the person's own: looks, keys and presets; what is asked with stands beside them.

        `sent` brings back what was sent in other sessions.
        """
        Speculation(depth=depth)  # refuses a bad one
        hush_libraries()
        super().__init__()
        for theme in THEMES:
            self.register_theme(theme)
        # TEXTUAL_THEME is the person's own choice.
        if settings is not None or "TEXTUAL_THEME" not in os.environ:
            self.theme = (settings or Settings())["look.theme"]
        self.settings = settings or Settings()
        if self.settings["look.reduced_motion"]:
            self.animation_level = "none"
        self.set_keymap(dict(self.settings.keys))
        question = Question((), depth, sampling or Sampling(), max_tokens, seed)
        self.store = store or Store(None)
        self.chat = ChatScreen(
            source,
            conversation or Conversation(system, question),
            record=record,
            preferences=self.settings,
            clock=clock,
            store=self.store,
        )
        self.chat.prompt.sent = History(sent)
        self.source = source
        self._race = race
        self._leaving = False
        self._told = Told()

    def on_load(self) -> None:
        # Before the terminal is changed: from there on it must be given back.
        self._told = obey_signals(lambda: self.run_worker(self.action_quit(), name="signal"))

    def on_ready(self) -> None:
        if self._race is not None:
            self.chat.open_race(self._race)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return colours(self.current_theme.dark)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Without the one that maps the terminal's sixteen colours: none is used, and it looks at every line drawn."""
        return [line for line in super().get_line_filters() if not isinstance(line, ANSIToTruecolor)]

    def get_default_screen(self) -> Screen[None]:
        return self.chat

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        return ()

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run in the terminal, with everything else kept off it."""
        with quiet(), signals_kept():
            return super().run(*args, **kwargs)

    async def action_quit(self) -> None:
        """Stop the worker, then leave; asked twice, leave at once."""
        if self._leaving:
            self.exit(return_code=self._told.code)
            return
        self._leaving = True
        self.chat.close_chat()
        self.chat.bridge.close()
        self.source.close()
        self.run_worker(self._leave(), name="leave")

    async def _leave(self) -> None:
        give_up = time.monotonic() + (PATIENCE if self.chat.ready else 0.5)
        while self.source.alive and time.monotonic() < give_up:
            await asyncio.sleep(0.01)
        self.exit(return_code=self._told.code)

    def on_unmount(self) -> None:
        self.chat.close_chat()
        self.store.close()
