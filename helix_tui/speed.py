"""How fast replies came, and what speculation gained over the baseline in this session."""

from __future__ import annotations

from collections import deque
from statistics import median

from engine import Event
from engine.events import Cycle, Failed, Finished, Piece, Prefilled, Started

WINDOW = 24
"""Cycles that the live figure looks back on."""
SAMPLE_SECONDS = 0.04
"""Engine time behind one point of the curve."""
ENOUGH_CYCLES = 8
"""Cycles of one mode in a reply before they count as a measurement."""
CURVE = 240


class Speed:
    """Decode speed from the cycles' own times. A reply's first cycle is left out everywhere: its tokens came with the
    prefill, as in `Usage.decode_tokens_per_s`.

    A reply gives one measurement of each mode that had `ENOUGH_CYCLES`: that mode's tokens over that mode's seconds.
    Baseline is depth 0 because it was asked for; anything else is speculative, a 0 that the controller chose included.
    A mode's figure is the median of its measurements since the load.
    """

    def __init__(self) -> None:
        self.prompt_seconds: float | None = None
        """From the start of the prefill to its end."""
        self.ttft: float | None = None
        """`Usage.ttft_s` of the last finished reply."""
        self.final: float | None = None
        """`Usage.decode_tokens_per_s` of the reply, once it has finished."""
        self.curve: deque[float] = deque(maxlen=CURVE)
        """Tokens/s over slices of `SAMPLE_SECONDS` of engine time or one cycle, whichever is longer."""
        self.running = False
        self._measured: dict[bool, list[float]] = {False: [], True: []}
        self._start()

    def _start(self) -> None:
        self._cycles: deque[tuple[int, float]] = deque(maxlen=WINDOW)
        self._sums: dict[bool, tuple[int, int, float]] = {False: (0, 0, 0.0), True: (0, 0, 0.0)}
        self._slice = (0, 0.0)
        self._first = True

    def feed(self, event: Event) -> None:
        if isinstance(event, Started):
            self._start()
            self.prompt_seconds = self.ttft = self.final = None
            self.curve.clear()
            self.running = True
        elif isinstance(event, Prefilled):
            self.prompt_seconds = event.seconds
        elif isinstance(event, Cycle):
            self._cycle(event)
        elif isinstance(event, Piece):
            self._piece(event)
        elif isinstance(event, Finished):
            self.ttft = event.usage.ttft_s
            self.final = event.usage.decode_tokens_per_s
            self._close()
        elif isinstance(event, Failed):
            self._close()

    def _cycle(self, event: Cycle) -> None:
        if self._first:
            self._first = False
            return
        tokens = len(event.emitted)
        self._advance(tokens, event.seconds)
        mode = event.depth > 0 or bool(event.reason)
        cycles, so_far, seconds = self._sums[mode]
        self._sums[mode] = (cycles + 1, so_far + tokens, seconds + event.seconds)

    def _piece(self, event: Piece) -> None:
        """A server's piece counts as a token; of what mode it is nobody tells."""
        if self._first:
            self._first, self.ttft = False, event.seconds
        else:
            self._advance(1, event.seconds)

    def _advance(self, tokens: int, seconds: float) -> None:
        self._cycles.append((tokens, seconds))
        in_slice, length = self._slice[0] + tokens, self._slice[1] + seconds
        if length >= SAMPLE_SECONDS:
            self.curve.append(in_slice / length)
            in_slice, length = 0, 0.0
        self._slice = (in_slice, length)

    def _close(self) -> None:
        for mode in (False, True):
            if (figure := self._of_reply(mode)) is not None:
                self._measured[mode].append(figure)
        self._start()
        self.running = False

    def _of_reply(self, mode: bool) -> float | None:
        cycles, tokens, seconds = self._sums[mode]
        return tokens / seconds if cycles >= ENOUGH_CYCLES and seconds > 0 else None

    def new_chat(self) -> None:
        """Clear the reply's figures; measurements stay."""
        self._start()
        self.prompt_seconds = self.ttft = self.final = None
        self.curve.clear()
        self.running = False

    @property
    def now(self) -> float | None:
        """Tokens/s: over the last `WINDOW` cycles while a reply runs, of the whole reply once it has finished."""
        if not self.running:
            return self.final
        seconds = sum(s for _, s in self._cycles)
        return sum(t for t, _ in self._cycles) / seconds if seconds > 0 else None

    def _median(self, mode: bool) -> float | None:
        current = self._of_reply(mode)
        figures = self._measured[mode] + ([current] if current is not None else [])
        return median(figures) if figures else None

    @property
    def baseline(self) -> float | None:
        """The median baseline tokens/s of this session for the loaded pair."""
        return self._median(False)

    @property
    def speculative(self) -> float | None:
        """The median speculative tokens/s of this session for the loaded pair."""
        return self._median(True)

    @property
    def ratio(self) -> float | None:
        """speculative / baseline, once both were measured."""
        base, fast = self.baseline, self.speculative
        return fast / base if base and fast else None
