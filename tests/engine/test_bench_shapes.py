"""Models of random weights: cheap to build, and of one mind whatever the rounding."""

from __future__ import annotations

import torch

from engine.bench.shapes import SHAPES, build


def test_every_token_has_one_successor_by_far() -> None:
    """Otherwise int8, or other rows in a forward, say something else, and a set acceptance is not what was set."""
    shape = SHAPES["tiny"]
    model = build(shape.target, torch.float32, shape.spread, seed=0)
    ids = torch.arange(97)[None]
    with torch.no_grad():
        logits = model(ids).logits[0]
        halved = model.bfloat16()(ids).logits[0].float()
    first, second = logits.topk(2).values.unbind(1)
    assert bool((first - second > (logits - halved).abs().amax() * 2).all())
    assert len(set(logits.argmax(1).tolist())) > 90
