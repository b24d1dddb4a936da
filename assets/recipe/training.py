"""A training run that can stop at any step and go on in another process: its whole state is one file."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from batches import Mix, held_out, loss_weight
from torch import Tensor
from transformers import LlamaForCausalLM

WARM_UP = 0.01
"""Part of a run in which the learning rate rises."""
FROM_TEACHER = 0.9
"""Of the loss, where there is a teacher, is forward KL from its distribution; the rest is the text itself."""
CPU_TOKENS = 2048
"""Of a batch that a CPU takes at once."""
SHORTER = 3
"""Of four batches on a CPU have four times the rows and a quarter of the context: attention costs a third otherwise."""
LOG_EVERY = 250
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
    rate: float = 1.0
    """Factor of both: lower where the weights are not new."""
    decay: float = 0.35
    """Part of the run in which the learning rate falls to nothing."""


@dataclass(slots=True)
class Progress:
    seconds: float = 0.0
    steps: int = 0
    tokens: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)

    def share(self, plan: Plan) -> float:
        """Of the run that is done, 1 at its end."""
        return self.steps / plan.steps if plan.steps else self.seconds / (plan.minutes * 60)


def learning_rate(share: float, decay: float) -> float:
    """Factor of the base rate after this share of the run: up, level, down to zero in a line."""
    return max(0.0, min(1.0, share / WARM_UP, (1 - share) / decay))


def moved(share: float, decay: float) -> float:
    """How far the mix has gone from its start to its end: all the way in the first half of the decay."""
    return max(0.0, min(1.0, (share - 1 + decay) / (decay / 2)))


def _has_bf16() -> bool:
    """Whether this processor multiplies in bf16 itself: training is then 1.6 times as fast as in float32."""
    return bool(torch.cpu._is_avx512_bf16_supported())


class Run:
    """One model's training. `state` is the file that a later Run goes on from."""

    def __init__(
        self, model: LlamaForCausalLM, data: Path, state: Path, plan: Plan, *,
        teacher: LlamaForCausalLM | None = None, extra: Mapping[str, float] | None = None,
    ) -> None:  # fmt: skip
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.plan, self.state, self.progress = plan, state, Progress()
        self.on_gpu = self.device.type == "cuda"
        self.half = self.on_gpu or _has_bf16()
        self.model = model.to(self.device)
        if not self.on_gpu:
            self.model.set_attn_implementation("eager")  # At 256 tokens 1.15 times as fast as fused on a CPU.
        self.teacher = teacher.to(self.device, torch.bfloat16 if self.half else torch.float32) if teacher else None
        weights = dict(model.named_parameters())
        inner = [w for n, w in weights.items() if w.dim() == 2 and "embed" not in n]
        outer = [w for n, w in weights.items() if w.dim() < 2 or "embed" in n]
        self.optimisers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(inner, lr=plan.muon_rate, momentum=0.95, weight_decay=0.01, adjust_lr_fn="original"),
            torch.optim.AdamW(outer, lr=plan.adam_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=self.on_gpu),
        ]
        self._weights = tuple(weights.values())
        # On a CPU each core takes its own part of a batch: they wait for each other once a step, not in every operator.
        cores = ThreadPoolExecutor(torch.get_num_threads(), "core", torch.set_num_threads, (1,))
        self._each = map if self.on_gpu else cores.map
        self._rates = [plan.muon_rate * plan.rate, plan.adam_rate * plan.rate]
        if state.is_file():
            self._resume()
        self.mix = Mix(data, 1 + self.progress.steps, extra)
        self.held = {name: ids.to(self.device) for name, ids in held_out(data, plan.context).items()}
        self._loss = torch.compile(self._plain_loss) if self.on_gpu else self._plain_loss

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
                group["lr"] = rate * learning_rate(share, plan.decay)
        times = 4 if not self.on_gpu and progress.steps % 4 < SHORTER else 1
        count = plan.rows * times
        ids, wanted = self.mix.batch(count, plan.context // times, moved(share, plan.decay), self.device)
        rows = count if self.on_gpu else max(1, CPU_TOKENS // ids.shape[1])
        done = list(self._each(partial(self._gradients, count), ids.split(rows), wanted.split(rows)))
        for weight, *gradients in zip(self._weights, *(gradients for _, gradients in done), strict=True):
            weight.grad = sum(gradients[1:], gradients[0])
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        progress.steps += 1
        progress.tokens += ids.numel()
        return sum(float(loss) for loss, _ in done)

    def _gradients(self, count: int, ids: Tensor, wanted: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Of these rows of a batch of `count`: their part of the loss, and the gradients of every weight."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            loss = self._loss(ids, wanted) * (len(ids) / count)
        return loss.detach(), torch.autograd.grad(loss, self._weights)

    def _plain_loss(self, ids: Tensor, wanted: Tensor) -> Tensor:
        weight = loss_weight(ids).flatten()
        # A CPU leaves out what counts little: half of its time goes to the head.
        chosen = slice(None) if self.on_gpu else torch.nonzero(weight == 1).squeeze(1)
        weight, wanted = weight[chosen], wanted.flatten()[chosen]
        logits = self._logits(self.model, ids, chosen)
        text = (F.cross_entropy(logits, wanted, reduction="none") * weight).sum() / weight.sum()
        if self.teacher is None:
            return text
        with torch.no_grad():
            taught = F.log_softmax(self._logits(self.teacher, ids, chosen), -1)
        divergence = F.kl_div(F.log_softmax(logits, -1), taught, log_target=True, reduction="batchmean")
        return (1 - FROM_TEACHER) * text + FROM_TEACHER * divergence

    @staticmethod
    def _logits(model: LlamaForCausalLM, ids: Tensor, chosen: Tensor | slice) -> Tensor:
        """Float32, `[chosen places, vocabulary]`."""
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state.flatten(0, 1)[chosen]
        return model.lm_head(hidden).float()

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Nats a token of each held-out set and, with a teacher, how often both would say the same token."""
        self.model.eval()
        found: dict[str, float] = {}
        for name, windows in self.held.items():
            losses, agreed = [], []
            for rows in windows.split(2):
                with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
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
