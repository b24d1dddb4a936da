"""A training run that can stop at any step and go on in another process: its whole state is one file."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from batches import Mix, held_out, loss_weight
from torch import Tensor
from transformers import LlamaForCausalLM

WARM_UP, DECAY = 0.01, 0.35
"""Parts of a run in which the learning rate rises, and falls to nothing."""
FROM_TEACHER = 0.9
"""Of the loss, where there is a teacher, is forward KL from its distribution; the rest is the text itself."""
CPU_ROWS = 4
"""Rows of a batch that a CPU takes at once."""
LOG_EVERY = 100
GRACE = 12.0
"""Seconds before the end of a slice that are left for saving."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole run, however many slices it takes."""

    minutes: float = 10.0
    """Of training altogether, compiling and loading not counted; what the learning rate follows."""
    steps: int | None = None
    """Instead of minutes: tests count steps."""
    rows: int = 128
    context: int = 1024
    muon_rate: float = 0.02
    adam_rate: float = 3e-3


@dataclass(slots=True)
class Progress:
    seconds: float = 0.0
    steps: int = 0
    tokens: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)

    def share(self, plan: Plan) -> float:
        """Of the run that is done, 1 at its end."""
        return self.steps / plan.steps if plan.steps else self.seconds / (plan.minutes * 60)


def learning_rate(share: float) -> float:
    """Factor of the base rate after this share of the run: up, level, down to zero in a line."""
    return max(0.0, min(1.0, share / WARM_UP, (1 - share) / DECAY))


def moved(share: float) -> float:
    """How far the mix has gone from its start to its end: all the way in the first half of the decay."""
    return max(0.0, min(1.0, (share - 1 + DECAY) / (DECAY / 2)))


class Run:
    """One model's training. `state` is the file that a later Run goes on from."""

    def __init__(
        self, model: LlamaForCausalLM, data: Path, state: Path, plan: Plan, *,
        teacher: LlamaForCausalLM | None = None, extra: Mapping[str, float] | None = None,
    ) -> None:  # fmt: skip
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.plan, self.state, self.progress = plan, state, Progress()
        self.model = model.to(self.device)
        self.teacher = teacher.to(self.device, torch.bfloat16 if self._half else torch.float32) if teacher else None
        weights = dict(model.named_parameters())
        inner = [w for n, w in weights.items() if w.dim() == 2 and "embed" not in n]
        outer = [w for n, w in weights.items() if w.dim() < 2 or "embed" in n]
        self.optimisers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(inner, lr=plan.muon_rate, momentum=0.95, weight_decay=0.01, adjust_lr_fn="original"),
            torch.optim.AdamW(outer, lr=plan.adam_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=self._half),
        ]
        self._rates = [plan.muon_rate, plan.adam_rate]
        if state.is_file():
            self._resume()
        self.mix = Mix(data, 1 + self.progress.steps, extra)
        self.held = {name: ids.to(self.device) for name, ids in held_out(data, plan.context).items()}
        self._loss = torch.compile(self._plain_loss) if self._half else self._plain_loss

    @property
    def _half(self) -> bool:
        return self.device.type == "cuda"

    @property
    def done(self) -> bool:
        return self.progress.share(self.plan) >= 1

    def go(self, minutes: float) -> None:
        """Train until the run is done or nearly this many minutes have passed, then save."""
        start = time.monotonic()
        self.model.train()
        first = True
        while not self.done and time.monotonic() - start < minutes * 60 - GRACE:
            began = time.monotonic()
            loss = self._step()
            if first:  # Compiling is not training.
                print(f"first step {time.monotonic() - began:.1f} s, loss {loss:.3f}", flush=True)
                first = False
            else:
                self.progress.seconds += time.monotonic() - began
            if self.progress.steps % LOG_EVERY == 0:
                self._report(loss)
        self._report(None)
        self.save()

    def _step(self) -> float:
        plan, progress = self.plan, self.progress
        share = progress.share(plan)
        for optimiser, rate in zip(self.optimisers, self._rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = rate * learning_rate(share)
        ids, wanted = self.mix.batch(plan.rows, plan.context, moved(share), self.device)
        rows = plan.rows if self._half else CPU_ROWS
        total = 0.0
        for at in range(0, plan.rows, rows):
            part = slice(at, at + rows)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self._half):
                loss = self._loss(ids[part], wanted[part]) * (len(ids[part]) / plan.rows)
            loss.backward()
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        progress.steps += 1
        progress.tokens += ids.numel()
        return total

    def _plain_loss(self, ids: Tensor, wanted: Tensor) -> Tensor:
        logits = self.model(input_ids=ids, use_cache=False).logits.flatten(0, 1).float()
        weight = loss_weight(ids).flatten()
        text = (F.cross_entropy(logits, wanted.flatten(), reduction="none") * weight).sum() / weight.sum()
        if self.teacher is None:
            return text
        with torch.no_grad():
            taught = F.log_softmax(self.teacher(input_ids=ids, use_cache=False).logits.flatten(0, 1).float(), -1)
        divergence = F.kl_div(F.log_softmax(logits, -1), taught, log_target=True, reduction="batchmean")
        return (1 - FROM_TEACHER) * text + FROM_TEACHER * divergence

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Nats a token of each held-out set and, with a teacher, how often both would say the same token."""
        self.model.eval()
        found: dict[str, float] = {}
        for name, windows in self.held.items():
            losses, agreed = [], []
            for rows in windows.split(CPU_ROWS):
                with torch.autocast(self.device.type, torch.bfloat16, enabled=self._half):
                    logits = self.model(input_ids=rows[:, :-1], use_cache=False).logits.float()
                    taught = self.teacher(input_ids=rows[:, :-1], use_cache=False).logits if self.teacher else None
                losses.append(F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="none"))
                if taught is not None:
                    agreed.append((logits.argmax(-1) == taught.argmax(-1)).float().flatten())
            found[name] = round(float(torch.cat(losses).mean()), 4)
            if agreed:
                found[f"{name}_agree"] = round(float(torch.cat(agreed).mean()), 4)
        self.model.train()
        return found

    def _report(self, loss: float | None) -> None:
        progress = self.progress
        held = self.evaluate()
        progress.log.append({"steps": progress.steps, "tokens": progress.tokens, **held})
        speed = progress.tokens / max(progress.seconds, 1e-9)
        print(
            f"step {progress.steps} ({progress.share(self.plan):.0%}) loss {loss} held out {held} "
            f"{progress.tokens / 1e6:.1f}M tokens, {speed:,.0f}/s",
            flush=True,
        )

    def save(self) -> None:
        """The state beside its old self first, so that a run cut off here loses a slice, not all."""
        self.state.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.state.with_suffix(".new")
        p = self.progress
        counts = {"seconds": p.seconds, "steps": p.steps, "tokens": p.tokens, "log": p.log}
        optimisers = [o.state_dict() for o in self.optimisers]
        torch.save({"model": self.model.state_dict(), "optimisers": optimisers, "progress": counts}, fresh)
        fresh.replace(self.state)

    def _resume(self) -> None:
        saved = torch.load(self.state, map_location=self.device, weights_only=True)
        self.model.load_state_dict(saved["model"])
        for optimiser, state in zip(self.optimisers, saved["optimisers"], strict=True):
            optimiser.load_state_dict(state)
        self.progress = Progress(**saved["progress"])
        print(f"going on from step {self.progress.steps}, {self.progress.seconds / 60:.1f} minutes in", flush=True)
