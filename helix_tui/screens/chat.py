"""The one main screen: the chat, and beside it the panels of the cycle that is running."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from ..keys import bindings
from ..starters import NUMBERED
from .actions.branches import BranchActions
from .actions.chats import ChatsActions
from .actions.context import ContextWarning
from .actions.copying import CopyActions
from .actions.depth import DepthActions
from .actions.learning import LearnActions
from .actions.mapping import MapActions
from .actions.models import ModelActions
from .actions.racing import RaceActions
from .actions.recording import RecordActions
from .actions.replaying import ReplayActions
from .actions.setup import SetupActions
from .actions.sharing import ShareActions
from .actions.slow import SlowActions
from .actions.stage import StageActions
from .actions.starting import StartActions
from .actions.talk import TalkActions
from .actions.tokens import TokenActions
from .actions.view import ViewActions


class ChatScreen(
    StageActions,
    TokenActions,
    SlowActions,
    BranchActions,  # before TalkActions: an edited question goes back in the chat before it is asked
    ChatsActions,
    ModelActions,
    LearnActions,
    TalkActions,
    SetupActions,  # a depth set there is set as by its keys
    DepthActions,
    ReplayActions,
    ViewActions,
    CopyActions,
    ContextWarning,
    MapActions,
    RaceActions,
    ShareActions,
    StartActions,
    RecordActions,
):
    """Everything that the keys of `helix_tui.keys` can do."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(),
        *(Binding(str(n), f"starter({n})", show=False, id=f"starter.{n}") for n in range(1, len(NUMBERED) + 1)),
        Binding("tab", "app.focus_next", show=False, id="focus.next"),
        Binding("shift+tab", "app.focus_previous", show=False, id="focus.previous"),
    ]
