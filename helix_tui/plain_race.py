"""`helix-chat race` without the app: both runs, the ratio and whether the outputs are the same, as text or JSON."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

import engine as helix
from engine import HelixError
from engine.errors import from_name
from engine.events import Failed, Loaded

from .ask import Notes
from .messages import Question
from .quiet import hush_libraries
from .race import Lane, Name, Race
from .render.race import outcome, sameness
from .render.text import label
from .render.units import count, percent, rate, seconds

LANES: tuple[Name, Name] = ("baseline", "speculative")


def race(question: Question, load: dict[str, Any], *, runs: int = 1, as_json: bool = False) -> int:
    """Measure and print. Returns the exit code. Raises HelixError."""
    hush_libraries()
    notes = Notes(sys.stderr)
    try:
        engine = helix.Engine.load(**load, progress=notes.loading)
    finally:
        notes.clear()
    with engine:
        if engine.loaded.drafter is None:
            raise HelixError("There is no draft model, so there is nothing to race against; give one with --draft.")
        measured = Race(question)
        for _ in range(runs):
            measure(engine, measured)
        loaded = engine.loaded
    print(json.dumps(as_object(measured, loaded), ensure_ascii=False) if as_json else as_text(measured))
    return 0


def measure(engine: helix.Engine, race: Race) -> None:
    """One round. Raises the HelixError that a run failed with."""
    race.begin()
    while race.step is not None:
        for event in engine.stream(race.ask().request()):
            race.feed(event)
            if isinstance(event, Failed):
                raise from_name(event.error, event.message)
        race.advance()


def as_text(race: Race) -> str:
    """A line for each run, then what came of it."""
    times = count(len(race.rounds), "round")
    order = " then ".join(race.rounds[0].order)
    lines = [
        f"{label(race.question.messages[-1]['content'])}",
        f"measured one after the other ({order}{', ' + times + ', turned each time' if len(race.rounds) > 1 else ''}); "
        "decoding only, after one warm-up for both",
        "",
        *(_line(race, name) for name in LANES),
        "",
    ]
    if race.ratio is not None:
        lines.append(outcome(race))
    return "\n".join([*lines, sameness(race)])


def _line(race: Race, name: Name) -> str:
    lane, speed = race.round.lane(name), race.rate(name)
    parts = [f"{name:<12}{rate(speed) if speed is not None else '–':>8} tokens/s", count(len(lane.tokens), "token")]
    if lane.ttft is not None:
        parts.append(f"first token {seconds(lane.ttft)}")
    if lane.drafted and lane.mean_length is not None:
        parts.append(f"{percent(lane.acceptance)} accepted, {lane.mean_length:.2f} tokens a round")
    return "   ".join(parts)


def as_object(race: Race, loaded: Loaded) -> dict[str, Any]:
    """All that was measured, with the settings."""
    question = race.question
    return {
        "question": question.messages[-1]["content"],
        "compared": "decode tokens/s: after the first cycle, which comes with the prompt; one warm-up for both",
        "ratio": race.ratio,
        "identical": race.identical,
        "parts_at": next((r.parts_at for r in race.rounds if r.parts_at is not None), None) if race.greedy else None,
        "baseline_tokens_per_s": race.rate("baseline"),
        "speculative_tokens_per_s": race.rate("speculative"),
        "rounds": [
            {"order": list(r.order), "ratio": r.ratio, **{name: _run(r.lane(name)) for name in LANES}}
            for r in race.rounds
        ],
        "settings": {
            "target": loaded.target.name,
            "draft": loaded.draft.name if loaded.draft else None,
            "drafter": loaded.drafter,
            "device": loaded.device,
            "dtype": loaded.target.dtype,
            "depth": question.depth,
            **asdict(question.sampling),
            "seed": question.seed,
            "max_tokens": question.max_tokens,
        },
    }


def _run(lane: Lane) -> dict[str, Any]:
    return {
        "decode_tokens_per_s": lane.rate(),
        "tokens": len(lane.tokens),
        "decode_s": lane.seconds,
        "ttft_s": lane.ttft,
        "cached_tokens": lane.cached,
        "cycles": lane.cycles,
        "drafted": lane.drafted,
        "accepted": lane.accepted,
        "acceptance_rate": lane.acceptance,
        "mean_accepted_length": lane.mean_length,
        "finish_reason": lane.ended,
        "token_ids": [token.id for token in lane.tokens],
        "text": "".join(token.text for token in lane.tokens),
    }
