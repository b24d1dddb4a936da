"""The settings that only the app can check: its theme and its keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from textual.binding import Binding, BindingType
from textual.theme import BUILTIN_THEMES

from ..screens.chat import ChatScreen
from ..themes import THEMES
from ..widgets.prompt import Prompt
from . import Settings
from .keymap import usable
from .table import BY_ID


def checked(settings: Settings) -> Settings:
    """The same, with the default in the place of a theme that is not there, and only keys that can be used."""
    keymap = usable(settings.keys, bindings())
    settings = settings.but(*keymap.problems, keys=keymap.keys)
    theme, known = settings["look.theme"], {theme.name for theme in THEMES} | set(BUILTIN_THEMES)
    if theme in known:
        return settings
    ours = ", ".join(t.name for t in THEMES)
    return replace(
        settings,
        values={**settings.values, "look.theme": BY_ID["look.theme"].default},
        origins={**settings.origins, "look.theme": "default"},
        problems=(
            *settings.problems,
            f'{settings.origins["look.theme"]}: there is no theme "{theme}"; use {ours}, or another of Textual\'s.',
        ),
    )


def bindings() -> list[Binding]:
    """Those that a person may give other keys."""
    found: Iterable[BindingType] = [*ChatScreen.BINDINGS, *Prompt.BINDINGS]
    return [binding for binding in found if isinstance(binding, Binding) and binding.id]
