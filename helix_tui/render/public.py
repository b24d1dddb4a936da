"""Words that may be shown to an audience: without paths, user name and host name."""

from __future__ import annotations

import getpass
import platform
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

HIDDEN = "…"
_PATH = re.compile(r"""(?<![\w.…/\\])(?:~|\.{1,2}|[A-Za-z]:)?(?:[\\/][^\s"'<>|:;,)]+)+[\\/]?""")


@cache
def identity() -> tuple[str, ...]:
    """What gives this person away: the home folder, the user's name, the host's."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = ""
    host = platform.node()
    return tuple(name for name in (str(Path.home()), user, host, host.partition(".")[0]) if len(name) > 1)


def public(text: str, names: Sequence[str] | None = None) -> str:
    """The text with `names` (this person's, unless given) and everything that looks like a path taken out."""
    found = sorted(identity() if names is None else names, key=len, reverse=True)
    for name in found:
        if "/" in name or "\\" in name:
            text = re.sub(rf"{re.escape(name)}(?:[\\/][^\s\"'<>|:;,)]*)*", HIDDEN, text)
    text = _PATH.sub(HIDDEN, text)
    for name in found:
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", HIDDEN, text, flags=re.IGNORECASE)
    return text
