"""What a program did to its terminal, and how it ended: for tests that send it signals at any moment."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence

from terminal import Terminal

ON = {b"\x1b[?1049h": b"\x1b[?1049l", b"\x1b[?25l": b"\x1b[?25h", b"\x1b[?2004h": b"\x1b[?2004l"}
"""What switches a mode on, or the cursor off, and what takes that back."""


def check_given_back(terminal: Terminal) -> None:
    """The screen from before, its cursor, echo and whole lines; and no traceback on it."""
    time.sleep(0.2)
    for taken, given in ON.items():
        at = terminal.output.rfind(taken)
        assert at < 0 or terminal.output.find(given, at) > at, f"{taken!r} was not taken back"
    assert terminal.echoes, "what is typed is not shown any more"
    for word in (b"Traceback", b"KeyboardInterrupt", b"Exception ignored"):
        assert word not in terminal.output, terminal.output[-3000:].decode(errors="replace")


def ends(terminal: Terminal, signals: Sequence[signal.Signals], *codes: int, seconds: float = 20.0) -> int:
    """Send them, wait for the end, and check both the exit code and the terminal."""
    for number in signals:
        if terminal.process.poll() is None:
            terminal.process.send_signal(number)
        time.sleep(0.05)
    code = terminal.wait_exit(seconds)
    # Killed by the signal itself: a shell counts it the same way.
    code = 128 - code if code < 0 else code
    assert code in codes, f"{code}: {terminal.output[-3000:].decode(errors='replace')}"
    check_given_back(terminal)
    return code
