"""transformers over the same folders: plain and assisted generation, watched token by token."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.generation.streamers import BaseStreamer

from ..models import compressed
from ..models.w8a8 import is_w8a8
from .trace import Trace

DEFAULTS = -1
"""As `assisted` depth: whatever transformers itself would do."""


class Transformers:
    """A target and its draft as transformers runs them: its own attention choice, cache and generation loop."""

    def __init__(self, target: Path, draft: Path | None, dtype: torch.dtype, device: torch.device) -> None:
        self.target = load(target, dtype, device)
        self.draft = None if draft is None else load(draft, dtype, device)
        self._defaults = None if self.draft is None else self.draft.generation_config.to_dict()

    def generate(self, ids: Sequence[int], count: int, assisted: int | None = None) -> Trace:
        """Exactly `count` greedy tokens; `assisted` is the depth of the draft, None for none.

        At a given depth the draft's confidence stop is off, so that a cycle does the same work as ours.
        """
        prompt = torch.tensor([list(ids)], device=self.target.device)
        settings: dict[str, Any] = {}
        if assisted is not None and self.draft is not None:
            self._configure(assisted)
            settings["assistant_model"] = self.draft
        watcher = _Watcher()
        with torch.no_grad():
            self.target.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=count,
                do_sample=False,
                streamer=watcher,
                **settings,
            )
        return watcher.trace

    def _configure(self, depth: int) -> None:
        """These settings are read from the assistant, not from the call."""
        assert self.draft is not None and self._defaults is not None
        config = self.draft.generation_config
        for name in ("num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_confidence_threshold"):
            setattr(config, name, self._defaults.get(name))
        if depth != DEFAULTS:
            config.num_assistant_tokens = depth
            config.num_assistant_tokens_schedule = "constant"
            config.assistant_confidence_threshold = 0.0


class _Watcher(BaseStreamer):
    """Stamps the tokens of a reply. The prompt comes first."""

    def __init__(self) -> None:
        self.trace = Trace()
        self._prompt = True

    def put(self, value: Tensor) -> None:
        if self._prompt:
            self._prompt = False
        else:
            self.trace.add(value.flatten().tolist())

    def end(self) -> None:
        """Nothing to flush."""


def load(folder: Path, dtype: torch.dtype, device: torch.device) -> Any:
    """A model that ends only where it is told to; int8 weights multiplied out, which transformers then runs faster."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    if is_w8a8(json.loads((folder / "config.json").read_text(encoding="utf-8"))):
        model = compressed.read(folder, dtype, keep=False, attention="sdpa")
    else:
        model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=dtype, local_files_only=True)
    model = model.to(device).eval()
    config = model.generation_config
    config.eos_token_id = config.pad_token_id = None
    config.do_sample, config.temperature, config.top_p, config.top_k = False, None, None, None
    return model
