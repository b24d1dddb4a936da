"""What rounding the weights does to the logits."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from ...models.paged import Span
from ..lab import Lab
from ..report import Row, Spread

TOKENS = 64


def measure(lab: Lab) -> Iterator[Row]:
    target = lab.pair.target
    ids = torch.tensor(lab.text(min(TOKENS, lab.pair.context)), device=target.device)
    table = target.table()
    ours = target.forward([Span(table, ids, len(ids))]).float()
    table.release()
    with torch.no_grad():
        exact = lab.rival("float32").target(input_ids=ids[None], use_cache=False).logits[0, :, : ours.shape[-1]]
    errors = (ours - exact).norm(dim=-1) / exact.norm(dim=-1) * 100
    agree = float((ours.argmax(-1) == exact.argmax(-1)).float().mean())
    whole = float((ours - exact).norm() / exact.norm()) * 100
    yield Row(
        f"{target.weights[0]} against float32",
        "%",
        Spread(whole, float(errors.min()), float(errors.max())),
        runs=1,
        note=f"over {len(ids)} tokens, lowest and highest of one; {agree:.0%} with the same likeliest token",
    )
