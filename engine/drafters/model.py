"""A smaller model with the same tokens proposes; its KV is paged like the target's."""

from __future__ import annotations

from collections.abc import Sequence as Items

import torch
from torch import Tensor

from ..config import MAX_DEPTH, Sampling
from ..events import DrafterKind
from ..kv.blocks import BlockTable
from ..models.paged import PagedModel, Span
from ..models.threads import limited
from ..sampling import chances, distribution, draw, penalise
from ..sequence import Sequence
from .base import Enough, Plan, Proposal


class ModelDrafter:
    """Keeps one block table a sequence; tokens it has not seen yet are caught up before it proposes."""

    kind: DrafterKind = "model"

    def __init__(self, model: PagedModel, vocab: int, context: int, chunk: int) -> None:
        self.model = model
        self._vocab = vocab
        self._context = context
        self._chunk = chunk
        self._tables: dict[int, BlockTable] = {}
        self._every: Tensor | None = None
        """All token ids, made when a penalty needs them."""

    def plan(self, sequence: Sequence) -> Plan:
        """The tokens it must read have to fit its context and its pool."""
        room = min(self._context - len(sequence.tokens) + 1, MAX_DEPTH)
        table = self._table(sequence)
        wanted = len(sequence.tokens) - table.length
        while room > 0 and table.missing(wanted + room - 1) > self.model.allocator.available:
            room -= 1
        return Plan("model", max(0, room))

    def advance(self, sequences: Items[Sequence]) -> None:
        """Read what the target has read of prompts that go on, in one forward."""
        self._read({s.id: s.table.length for s in sequences}, sequences)

    def propose(self, sequences: Items[Sequence], depths: Items[int], enough: Items[Enough | None]) -> list[Proposal]:
        """Draft up to `depths[i]` >= 1 tokens for each sequence, one forward a token for all of them together."""
        tables = [self._table(s) for s in sequences]
        for sequence, table in zip(sequences, tables, strict=True):
            while len(sequence.tokens) - table.length > self._chunk:
                self._read({sequence.id: len(sequence.tokens) - 1}, [sequence])
        greedy = [s.request.sampling.greedy for s in sequences]
        device = self.model.device
        random = [None if g else s.uniforms(d).to(device) for s, d, g in zip(sequences, depths, greedy, strict=True)]
        seen = [None if s.seen is None else s.seen.to(device)[None] for s in sequences]
        drafts: list[list[Tensor]] = [[] for _ in sequences]
        laws: list[list[Tensor]] = [[] for _ in sequences]
        chances: list[list[Tensor]] = [[] for _ in sequences]
        going = list(range(len(sequences)))
        for step in range(max(depths)):
            active = [i for i in going if step < depths[i]]
            if not active:
                break
            spans = []
            for i in active:
                new = [] if drafts[i] else sequences[i].tokens[tables[i].length :]
                spans.append(Span(tables[i], self._ids(new), 1, drafts[i][-1] if drafts[i] else None))
            logits = self._fit(self.model.forward(spans))
            for i, row in zip(active, logits.split(1) if len(active) > 1 else [logits], strict=True):
                u, sampling = random[i], sequences[i].request.sampling
                with limited(self.model.threads):
                    token, law, chance = _choose(sampling, row, seen[i], None if u is None else u[step])
                    seen[i] = self._also(seen[i], token)
                drafts[i].append(token)
                chances[i].append(chance)
                if law is not None:
                    laws[i].append(law)
                ends = enough[i]
                if ends is not None and ends(float(chance)):
                    going.remove(i)
        return [
            Proposal(torch.cat(drafts[i]), torch.cat(laws[i]) if laws[i] else None, torch.cat(chances[i]), "model")
            for i in range(len(sequences))
        ]

    def observe(self, sequence: Sequence) -> None:
        """The text is decided: forget the KV of what is not in it, and offer the rest for reuse."""
        table = self._tables.get(sequence.id)
        if table is not None:
            table.rollback(min(table.length, len(sequence.tokens) - 1))
            table.publish(sequence.tokens)

    def release(self, sequence: Sequence) -> None:
        table = self._tables.pop(sequence.id, None)
        if table is not None:
            table.release()

    def _read(self, lengths: dict[int, int], sequences: Items[Sequence]) -> None:
        """Read each text up to its length, a chunk at most."""
        spans = []
        for sequence in sequences:
            table = self._table(sequence)
            end = min(lengths[sequence.id], self._context, table.length + self._chunk)
            if end > table.length:
                spans.append(Span(table, self._ids(sequence.tokens[table.length : end]), 1))
        if spans:
            self.model.forward(spans)
        for sequence in sequences:
            self._table(sequence).publish(sequence.tokens)

    def _also(self, seen: Tensor | None, token: Tensor) -> Tensor | None:
        """The seen tokens and one more; None where nobody counts them."""
        if seen is None:
            return None
        if self._every is None:
            self._every = torch.arange(self._vocab).to(self.model.device)
        return seen | (self._every == token)

    def _fit(self, logits: Tensor) -> Tensor:
        """To the target's vocabulary: families pad their output layers differently."""
        extra = self._vocab - logits.shape[-1]
        if extra <= 0:
            return logits[:, : self._vocab] if extra else logits
        return torch.nn.functional.pad(logits, (0, extra), value=float("-inf"))

    def _ids(self, tokens: list[int]) -> Tensor:
        """Ids that only the target's wider output layer has are read as the draft's last: a guess may be anything."""
        last = self.model.vocab - 1
        return torch.tensor([min(t, last) for t in tokens], dtype=torch.long)

    def _table(self, sequence: Sequence) -> BlockTable:
        """The sequence's table; a new one begins with what the prefix index knows."""
        table = self._tables.get(sequence.id)
        if table is None:
            table = self._tables[sequence.id] = self.model.table()
            table.reuse(sequence.tokens[:-1])
        return table


def _choose(
    sampling: Sampling, logits: Tensor, seen: Tensor | None, u: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Token `[1]`, its law `[1, vocab]` (None when greedy) and its chance `[1]`, from logits `[1, vocab]`.

    Nothing is waited for: `u` in [0, 1) was drawn on the CPU and decides on the device.
    """
    if u is None:
        logits = penalise(logits, sampling, seen)
        token = logits.argmax(-1)
        return token, None, chances(logits, token)
    law = distribution(logits, sampling, seen)
    token = draw(law[0], u).reshape(1)
    return token, law, law.gather(1, token[:, None]).squeeze(1)
