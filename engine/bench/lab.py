"""What the sections share: the pair, engines over it, the rivals' copies of its weights, and the turns."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch

from ..config import MAX_DEPTH, Depth, DrafterName, EngineConfig, Sampling, Speculation
from ..devices import pick_device, synchronize, torch_device
from ..drafters.model import ModelDrafter
from ..engine import Engine
from ..errors import HelixError, InvalidRequest
from ..events import Cycle, Failed, Loading, Started
from ..models.load import DTYPES, Loaded, load_pair
from ..models.quantize import int8_support
from ..models.source import Progress, locate
from ..request import Request
from . import measure, shapes
from .drafter import SetAcceptance
from .prompts import PASSAGE, PROMPTS
from .rivals import Transformers
from .settings import Settings
from .trace import Trace

T = TypeVar("T")
RANDOM_PROMPT = 64
"""Tokens of a prompt of random ids, where there is no tokenizer."""


class Lab:
    """One pair of models, loaded once; sections take turns on it."""

    def __init__(self, settings: Settings, tell: Progress, tick: Callable[[str], None]) -> None:
        self.settings = settings
        self._tick = tick
        self._exits = ExitStack()
        self._engines: dict[tuple[DrafterName, bool], Engine] = {}
        self._rival: tuple[str, Transformers] | None = None
        self._set: tuple[SetAcceptance, Engine] | None = None
        self.shape = shapes.SHAPES[settings.shape] if settings.shape else None
        self.folders = self._locate(tell)
        self.config = EngineConfig()
        self.pair: Loaded = load_pair(*self.folders, settings.device, self._dtype(), self.config, tell)

    def close(self) -> None:
        for engine in self._engines.values():
            engine.close()
        self._exits.close()

    def engine(self, drafter: DrafterName = "auto", *, endless: bool = True) -> Engine:
        """An engine over the pair. Endless ones go on to `max_tokens` whatever the model says."""
        key = (drafter, endless)
        if key not in self._engines:
            pair = replace(self.pair, eos=frozenset()) if endless else self.pair
            self._engines[key] = Engine(pair, replace(self.config, drafter=drafter))
        return self._engines[key]

    @property
    def drafts(self) -> DrafterName:
        """Who drafts where a section does not compare drafters."""
        return "model" if self.pair.draft else "ngram"

    def subject(self) -> Engine:
        """The engine of the sections on speculation: its drafter is honest, or its acceptance is set."""
        return self.engine(self.drafts) if self.settings.alpha is None else self._with_set_acceptance()[1]

    def ask(
        self, engine: Engine, ids: Sequence[int], depth: Depth, count: int | None = None, *, temperature: float = 0.0
    ) -> Trace:
        """One reply of at most `count` tokens, with nothing remembered of earlier ones."""
        self.forget()
        return self.follow(engine, ids, depth, count, temperature=temperature)

    def follow(
        self, engine: Engine, ids: Sequence[int], depth: Depth, count: int | None = None, *, temperature: float = 0.0
    ) -> Trace:
        """One reply, which may reuse what the pools remember."""
        request = Request(
            prompt_ids=ids,
            sampling=Sampling(temperature=temperature),
            speculation=Speculation(depth=depth),
            max_tokens=count or self.settings.reply,
            seed=0,
        )
        trace = Trace()
        for event in engine.stream(request):
            if isinstance(event, Cycle):
                trace.add([e.id for e in event.emitted])
                trace.cycles.append(event)
            elif isinstance(event, Started):
                trace.cached = event.cached_tokens
            elif isinstance(event, Failed):
                raise HelixError(event.message)
        return trace

    def forget(self) -> None:
        """Empty the prefix indexes."""
        self.pair.target.allocator.forget_all()
        if self.pair.draft:
            self.pair.draft.allocator.forget_all()

    def learn(self, prompts: Sequence[Sequence[int]]) -> None:
        """Where the acceptance is set, let the drafter know the target's own replies to these prompts."""
        if self.settings.alpha is None:
            return
        drafter, engine = self._with_set_acceptance()
        for ids in prompts:
            self._tick("the target's own reply")
            reply = self.ask(engine, ids, 0, self.settings.reply + MAX_DEPTH)
            drafter.learn([*ids, *reply.ids])

    def prompts(self, count: int) -> list[list[int]]:
        """Of all kinds in turn, or random ids where there is no tokenizer."""
        tokenizer = self.pair.tokenizer
        if tokenizer is None:
            return [self.random(min(RANDOM_PROMPT, self.pair.context // 4), seed) for seed in range(count)]
        texts = [text for texts in zip(*PROMPTS.values(), strict=False) for text in texts]
        return [tokenizer.render([{"role": "user", "content": text}]) for text in texts[:count]]

    def text(self, length: int) -> list[int]:
        """So many tokens of plain text; random ids where there is no tokenizer."""
        if self.pair.tokenizer is None:
            return self.random(length, 0)
        ids = self.pair.tokenizer.encode(PASSAGE)
        return (ids * (length // len(ids) + 1))[:length]

    def random(self, length: int, seed: int) -> list[int]:
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(3, self.pair.target.vocab, (length,), generator=generator).tolist()

    def rival(self, dtype: str) -> Transformers:
        """transformers on the same weights. One at a time: large models need the room."""
        if self._rival is None or self._rival[0] != dtype:
            self._rival = None
            self._tick(f"loading transformers {dtype}")
            self._rival = (dtype, Transformers(*self.folders, DTYPES[dtype], torch_device(self.pair.device)))
        return self._rival[1]

    def folder(self) -> Path:
        """A place for large files, gone when the benchmark ends."""
        return Path(self._exits.enter_context(tempfile.TemporaryDirectory(prefix="helix-bench-")))

    def wait(self) -> None:
        synchronize(self.pair.device)

    def interleave(self, arms: measure.Arms[T], rounds: int | None = None, *, warmup: int = 1) -> dict[str, list[T]]:
        return measure.interleave(arms, rounds or self.settings.rounds, warmup=warmup, tick=self._tick)

    def _with_set_acceptance(self) -> tuple[SetAcceptance, Engine]:
        if self._set is None:
            pair = replace(self.pair, eos=frozenset())
            if pair.draft is None or self.settings.alpha is None:
                raise InvalidRequest("A set acceptance needs a draft model; choose a shape.")
            vocab = pair.target.vocab
            inner = ModelDrafter(pair.draft, vocab, pair.draft_context, self.config.prefill_chunk)
            drafter = SetAcceptance(inner, self.settings.alpha, vocab)
            self._set = drafter, Engine(pair, self.config, drafter)
        return self._set

    def _locate(self, tell: Progress) -> tuple[Path, Path | None]:
        if self.shape:
            tell(Loading("making random weights"))
            return shapes.write(self.shape, self.folder())
        target, draft = self.settings.target, self.settings.draft
        if draft == "auto":
            draft = "bundled" if target == "bundled" else None
        return locate(target, "target", tell), None if draft is None else locate(draft, "draft", tell)

    def _dtype(self) -> str | None:
        """A large shape runs in int8 wherever the CPU has it, its draft too.

        Whether that pays is measured at load, and a busy moment must not change what a benchmark is about.
        """
        wanted = self.settings.dtype
        large = self.shape is not None and self.shape.dtype != torch.float32
        if wanted is not None or not large or pick_device(self.settings.device).kind != "cpu":
            return wanted
        return "int8" if int8_support() else None
