"""The command palette: every command of the table, and the themes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from .keys import COMMANDS, written
from .screens.chat import ChatScreen
from .starters import STARTERS
from .themes import THEMES


class HelixCommands(Provider):
    """What can be done now: commands that do not apply are left out."""

    def _entries(self) -> Iterator[tuple[str, str, Callable[[], object], str]]:
        """What it does, its keys, how to do it, and other names by which it is found."""
        screen = self.screen
        if isinstance(screen, ChatScreen):
            for command in COMMANDS:
                name = command.action.split("(")[0]
                if screen.check_action(name, ()) is not False:
                    keys = written(command, screen.preferences.keys)
                    names = f"{command.label} {command.id.replace('.', ' ').replace('_', ' ')}"
                    yield command.help, keys, partial(self._run, command.action), names
            if not screen.replaying:
                for question in STARTERS:
                    yield f"Ask: {question}", "a question to begin with", partial(screen.start_with, question), ""
        for theme in THEMES:
            yield f"Theme: {theme.name}", "dark" if theme.dark else "light", partial(self._theme, theme.name), ""
        yield "Theme: choose another", "every theme there is", self.app.action_change_theme, ""

    async def _run(self, action: str) -> None:
        await self.screen.run_action(action)

    def _theme(self, name: str) -> None:
        self.app.theme = name

    async def discover(self) -> Hits:
        for name, help_, callback, _ in self._entries():
            yield DiscoveryHit(name, callback, help=help_)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for name, help_, callback, others in self._entries():
            # A command's own name weighs more than a word of what another one does.
            if (score := max(matcher.match(name), 2 * matcher.match(others))) > 0:
                yield Hit(score, matcher.highlight(name), callback, help=help_)
