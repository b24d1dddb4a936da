"""What went wrong, and what to do: the words on a card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NEW_CHAT = "ctrl+n starts a new chat."
ASK_AGAIN = "The chat goes on: ask again, or ctrl+n starts a new one."
RETRY = "d (F4 in the prompt) plays the demo recording · F3 chooses a model · ctrl+r tries again · ctrl+q quits."

_TITLES = {
    "ContextTooLong": "The chat no longer fits",
    "OutOfMemory": "Not enough memory",
    "ModelNotFound": "No model there",
    "UnsupportedModel": "This model cannot run here",
    "IncompatibleDraft": "Draft and target do not fit together",
    "DeviceUnavailable": "No such device",
    "InvalidRequest": "That cannot be asked",
    "Recording": "The recording has ended",
    "BadRecording": "No demo to play",
}


@dataclass(frozen=True, slots=True)
class Card:
    title: str
    body: str
    hint: str


_UNKNOWN = {
    "load": "The model could not be loaded",
    "lost": "The engine broke and has to be loaded again",
    "ask": "The engine refused that",
    "run": "The engine broke off",
}


def card(
    error: str, message: str, *, where: str = "run", expected: bool = True, log: str = "", offer: str = ""
) -> Card:
    """A card for an error by its class name. An unexpected one shows its type, and where the details are. `offer` says
    how it could be loaded all the same."""
    title = _TITLES.get(error, _UNKNOWN[where]) if expected else _UNKNOWN[where]
    body = message if expected or not message else f"{error}: {message}"
    if where in ("load", "lost"):
        hint = f"F (ctrl+f in the prompt) loads it {offer}.\n{RETRY}" if offer else RETRY
    elif error in ("ContextTooLong", "OutOfMemory"):
        hint = NEW_CHAT
    elif error == "Recording":
        hint = "The chat goes on."
    else:
        hint = ASK_AGAIN
    if not expected and log:
        hint = f"{hint}\nDetails: {log}"
    return Card(title, body or error, hint)


def settings_card(problems: Sequence[str]) -> Card:
    """For settings that could not be used: the app starts all the same."""
    title = "A setting could not be used" if len(problems) == 1 else "Some settings could not be used"
    return Card(title, "\n".join(problems), "The default holds in its place · helix-chat config shows what holds.")
