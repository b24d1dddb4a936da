"""What a request and a loaded pair become: a sequence to continue, and a drafter for it."""

from __future__ import annotations

from .config import EngineConfig
from .drafters.base import Drafter
from .drafters.chain import NgramDrafter
from .drafters.model import ModelDrafter
from .errors import ContextTooLong, InvalidRequest, shown
from .models.load import Loaded
from .request import Request
from .sequence import Limits, Sequence


def sequence_of(request: Request, pair: Loaded, limits: Limits) -> Sequence:
    """A request as tokens, checked against the model. Raises InvalidRequest or ContextTooLong."""
    tokenizer, target = pair.tokenizer, pair.target
    if request.prompt_ids is not None:
        tokens = [int(t) for t in request.prompt_ids]
    elif tokenizer is None:
        raise InvalidRequest("This model's folder has no tokenizer; ask with prompt_ids or add its tokenizer files.")
    else:
        tokens = tokenizer.render(request.messages) if request.messages else tokenizer.encode(request.prompt or "")
    wrong = next((t for t in tokens if not 0 <= t < target.vocab), None)
    if wrong is not None:
        raise InvalidRequest(f"Token id {shown(wrong)} is not in the vocabulary; use 0 to {target.vocab - 1}.")
    if not tokens:
        raise InvalidRequest("The prompt is empty; give it at least one word.")
    if request.stop and tokenizer is None:
        raise InvalidRequest("This model's folder has no tokenizer, so stop texts cannot be found; use max_tokens.")
    if len(tokens) >= limits.context:
        raise ContextTooLong(
            f"The prompt has {len(tokens)} tokens but the context is {limits.context}; shorten it or start a new chat."
        )
    return Sequence(0, request, tokens, target.table(), tokenizer, limits, target.vocab, target.judge)


def make_drafter(pair: Loaded, config: EngineConfig) -> Drafter | None:
    """Who drafts, by `config.drafter`; None for nobody. Raises InvalidRequest for a chain without a model."""
    if pair.target.stateful:
        return None
    if config.drafter == "chain" and pair.draft is None:
        raise InvalidRequest("The chain drafter needs a draft model; give one, or use ngram.")
    model = None
    if pair.draft is not None and config.drafter != "ngram":
        model = ModelDrafter(pair.draft, pair.target.vocab, pair.draft_context, config.prefill_chunk)
    return model if config.drafter == "model" else NgramDrafter(pair.target.device, model)
