"""Where the program begins: told to stop while it is still being put together, it ends without a word."""

from __future__ import annotations

import signal


def main() -> int:
    """Returns the exit code.

    Until a command has something to keep or to tidy up, Ctrl-C ends the process as it would one in C: in the middle of
    an import KeyboardInterrupt may come out as any error, or be swallowed.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli import main as run

    return run()
