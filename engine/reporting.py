"""Events from what happened: the only place that reads sequences and pools to tell the world about them."""

from __future__ import annotations

from .config import EngineConfig
from .events import (
    Blocks,
    Cycle,
    DrafterKind,
    Failed,
    Finished,
    Loaded,
    Measure,
    ModelInfo,
    Prefilled,
    Rule,
    Shortage,
    Started,
)
from .kv.blocks import BLOCK_SIZE, BlockAllocator, runs
from .models.budget import rule
from .models.load import Loaded as Pair
from .models.paged import PagedModel
from .sequence import Sequence
from .shortage import SMALL_CHUNK
from .speculative import Round, Rounds


def blocks(sequence: Sequence, allocator: BlockAllocator) -> Blocks:
    table = sequence.table
    return Blocks(
        table=runs(table.blocks),
        length=table.length,
        shared=table.shared,
        cached=allocator.cached_runs,
        free=allocator.free,
        total=allocator.total,
        size=BLOCK_SIZE,
    )


def started(sequence: Sequence, allocator: BlockAllocator) -> Started:
    asked = sequence.depth
    depth = None if asked == "auto" else asked
    request = sequence.request
    question = request.messages[-1]["content"] if request.messages else request.prompt
    rule: Rule = "argmax" if request.sampling.greedy else request.speculation.verifier
    told = blocks(sequence, allocator)
    return Started(sequence.id, sequence.prompt_length, sequence.cached, depth, told, question, rule)


def prefilled(sequence: Sequence, allocator: BlockAllocator) -> Prefilled:
    computed = sequence.prompt_length - sequence.cached
    return Prefilled(sequence.id, computed, sequence.prefill_seconds, blocks(sequence, allocator))


def cycle(round: Round, rounds: Rounds, allocator: BlockAllocator) -> Cycle:
    return Cycle(
        request=round.sequence.id,
        index=round.sequence.counts.cycles - 1,
        depth=round.depth.tokens,
        drafter=round.depth.source if round.drafted else None,
        reason=round.depth.reason,
        drafted=round.drafted,
        accepted=round.accepted,
        emitted=round.emitted,
        draft_seconds=rounds.draft_seconds,
        verify_seconds=rounds.verify_seconds,
        seconds=rounds.seconds,
        blocks=blocks(round.sequence, allocator),
        peak_blocks=len(round.sequence.table.blocks) + len(round.given_back),
        in_flight=runs(round.given_back),
        prompt_rows=round.prompt_rows,
        batch=rounds.batch,
    )


def finished(sequence: Sequence, allocator: BlockAllocator, peak_memory: int | None) -> Finished:
    """After the sequence gave its blocks back."""
    assert sequence.reason is not None
    return Finished(
        sequence.id, sequence.reason, sequence.text, sequence.usage(peak_memory), blocks(sequence, allocator)
    )


def failed(request: int | None, error: Exception) -> Failed:
    return Failed(request, type(error).__name__, str(error))


def shortage(measure: Measure, running: int) -> Shortage:
    """`running` are those that run on."""
    done = {
        "returned": "memory that was not in use was given back to it, and the step is tried again",
        "restrained": f"nothing is drafted and prompts are read {SMALL_CHUNK} tokens at a time for a while",
        "fewer": f"{running} of the requests run on, and the last one waits",
    }
    return Shortage(measure, f"The device had no memory for this step, so {done[measure]}.")


def _model_info(name: str, model: PagedModel, context: int) -> ModelInfo:
    dtype, weight_bytes = model.weights
    return ModelInfo(
        name=name,
        architecture=str(getattr(model.model.config, "model_type", "unknown")),
        parameters=model.parameters,
        dtype=dtype,
        bytes=weight_bytes,
        layers=len(model.shapes),
        context=context,
        attention=model.attention,
    )


def loaded(
    pair: Pair, drafter: DrafterKind | None, remembered: bool | None, graphs: str | None, config: EngineConfig
) -> Loaded:
    target, draft = pair.target, pair.draft
    draft_block = draft.store.block_bytes if draft else 0
    return Loaded(
        device=pair.device.spec,
        device_name=pair.device.name,
        target=_model_info(pair.target_name, target, pair.context),
        draft=_model_info(pair.draft_name or "", draft, pair.draft_context) if draft else None,
        context=pair.context,
        block_count=pair.target.allocator.total,
        block_size=BLOCK_SIZE,
        kv_bytes=pair.target.allocator.total * (target.store.block_bytes + draft_block),
        target_block_bytes=target.store.block_bytes,
        draft_block_bytes=draft_block,
        seconds=pair.seconds,
        memory=pair.memory,
        drafter=drafter,
        timings=None if remembered is None else "remembered" if remembered else "measured",
        graphs=graphs,
        pool_rule=rule(target.allocator.total, pair.context, config.kv_memory),
    )
