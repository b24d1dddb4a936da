"""The picker's errands, each on a thread of its own: finding models, weighing them, fetching them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.message import Message

from engine import Event, HelixError

from . import models
from .models import KNOWN, Pair
from .render.units import size

if TYPE_CHECKING:
    from engine import Estimate


class Found(Message):
    """What there is to choose from."""

    def __init__(
        self, folders: Sequence[Pair] = (), cached: Sequence[Pair] = (), suggested: Sequence[Pair] = (), free: int = 0
    ) -> None:
        super().__init__()
        self.folders = tuple(folders)
        self.cached = tuple(cached)
        self.suggested = [(pair, f"{size(models.download_of(pair))} to download") for pair in suggested]
        self.title = f"Suggested for {size(free)} of memory, from the hub"


class Told(Message):
    """What a pair will take; with `asks`, it goes on only when that is said again."""

    def __init__(self, pair: Pair, estimate: Estimate, asks: bool) -> None:
        super().__init__()
        self.pair, self.estimate, self.asks = pair, estimate, asks


class Refused(Message):
    """Why a pair cannot be had."""

    def __init__(self, sentence: str) -> None:
        super().__init__()
        self.sentence = sentence


class Wanted(Message):
    """The pair is here and shall be loaded."""

    def __init__(self, pair: Pair) -> None:
        super().__init__()
        self.pair = pair


class _Cancelled(BaseException):
    """Leaves a download that nobody waits for any more."""


class Errand:
    """Does what the picker asks, without holding it up. Everything it says comes through `post`, from any thread."""

    def __init__(self, folders: Sequence[str], load: dict[str, Any], post: Callable[[Message], object]) -> None:
        self._folders = folders
        self._load = {name: load[name] for name in ("device", "dtype", "kv_memory", "max_context") if name in load}
        self._post = post
        self._stop = threading.Event()
        self.progress: Event | None = None
        self.fetching = False

    def find(self) -> None:
        self._start(self._find)

    def weigh(self, pair: Pair) -> None:
        """Tell what a pair takes, if that can be known without asking the hub."""
        if all(local(name) or name in KNOWN for name in (pair.target, pair.draft)):
            self._start(lambda: self._tell(pair, asks=False))

    def prepare(self, pair: Pair, *, sure: bool) -> None:
        """Bring the pair here. Unless `sure`, one that needs a download or too much memory is told of first."""
        self._stop = threading.Event()
        self._start(lambda: self._prepare(pair, sure, self._stop))

    def cancel(self) -> None:
        """End a download at its next piece."""
        self._stop.set()
        self.fetching = False

    def _start(self, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            except _Cancelled:
                pass
            except HelixError as error:
                self._post(Refused(str(error)))
            except Exception as error:
                self._post(Refused(f"That did not work ({type(error).__name__}: {error}); try another."))

        # A daemon: leaving must not wait for a network.
        threading.Thread(target=run, name="helix-picker", daemon=True).start()

    def _find(self) -> None:
        from engine import pick_device

        folders, cached = models.in_folders(self._folders), models.in_cache()
        self._post(Found(folders, cached))
        free = pick_device(self._load.get("device", "auto")).free or 0
        here = {pair.target for pair in cached}
        self._post(Found(folders, cached, [p for p in models.suggested(free) if p.target not in here], free))

    def _tell(self, pair: Pair, *, asks: bool) -> None:
        self._post(Told(pair, self._estimate(pair), asks))

    def _estimate(self, pair: Pair) -> Estimate:
        from engine import estimate

        target, draft = ((KNOWN[n].facts() if n in KNOWN and not local(n) else n) for n in (pair.target, pair.draft))
        return estimate(target, None if draft == "none" else draft, **self._load)

    def _prepare(self, pair: Pair, sure: bool, stop: threading.Event) -> None:
        from engine import fetch

        missing = [name for name in (pair.target, pair.draft) if not local(name)]
        if not sure:
            estimate = self._estimate(pair)
            if missing or estimate.fits is False:
                self._post(Told(pair, estimate, asks=True))
                return

        def follow(event: Event) -> None:
            if stop.is_set():
                raise _Cancelled
            self.progress = event

        self.fetching = bool(missing)
        try:
            for name in missing:
                fetch(name, follow)
        finally:
            self.fetching = False
        if not stop.is_set():
            self._post(Wanted(pair))


def local(name: str) -> bool:
    """Whether nothing has to be fetched for it."""
    from engine import cached_folder

    if name in ("bundled", "auto", "none", ""):
        return True
    return Path(name).expanduser().exists() or cached_folder(name) is not None
