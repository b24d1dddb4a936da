"""Which terminals can only write lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

LINES_ONLY = ("dumb", "unknown", "emacs", "cons25-m")


def only_lines(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this terminal says that it cannot move its cursor. Windows consoles all can."""
    if sys.platform == "win32":
        return False
    name = environ.get("TERM", "")
    if name in LINES_ONLY:
        return True
    if not name:
        return False
    try:
        import curses

        curses.setupterm(name, 1)
        return not curses.tigetstr("cup")
    except Exception:
        # A name that no database here knows is most often a new one of a good terminal.
        return False
