"""Random windows of token files, each group drawn as often as its share says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from corpus import ASSISTANT, END_OF_TEXT, USER
from torch import Tensor

USER_WEIGHT = 0.2
"""What a user says matters less: the model is never to say it."""


class Mix:
    """Batches of the groups in `sources.json`; `extra` gives groups beside them a constant share."""

    def __init__(self, folder: Path, seed: int, extra: Mapping[str, float] | None = None) -> None:
        sources = json.loads((folder / "sources.json").read_text(encoding="utf-8"))
        for name, share in (extra or {}).items():
            sources[name] = {"start": share, "end": share}
        self._files = [np.fromfile(folder / f"{name}.bin", dtype=np.uint16) for name in sources]
        self._ends = [np.flatnonzero(file == END_OF_TEXT) for file in self._files]
        self._start = np.array([s["start"] for s in sources.values()])
        self._end = np.array([s["end"] for s in sources.values()])
        self._rng = np.random.default_rng(seed)

    @property
    def tokens(self) -> int:
        return sum(map(len, self._files))

    def batch(self, rows: int, length: int, moved: float, device: torch.device) -> tuple[Tensor, Tensor]:
        """Inputs and next tokens, each `[rows, length]`; `moved` from 0 to 1 goes from the start to the end shares."""
        shares = self._start + (self._end - self._start) * moved
        picked = []
        for group in self._rng.choice(len(self._files), rows, p=shares / shares.sum()):
            file = self._files[group]
            at = self._begin(group, int(self._rng.integers(0, max(1, len(file) - length))), length)
            picked.append(np.resize(file[at : at + length + 1], length + 1))
        windows = torch.from_numpy(np.stack(picked).astype(np.int64))
        if device.type == "cuda":
            windows = windows.pin_memory().to(device, non_blocking=True)
        return windows[:, :-1], windows[:, 1:]

    def _begin(self, group: int, at: int, length: int) -> int:
        """Where the text around this place begins, as a chat does when it is used; in long texts the place itself."""
        ends = self._ends[group]
        before = np.searchsorted(ends, at)
        start = int(ends[before - 1]) + 1 if before else 0
        return start if at - start < length // 2 else at


def held_out(folder: Path, length: int, windows: int = 12) -> dict[str, Tensor]:
    """The first windows `[up to 12, length + 1]` of the held-out chat and prose."""
    found = {}
    for name in ("val_chat", "val_prose"):
        tokens = np.fromfile(folder / f"{name}.bin", dtype=np.uint16)[: windows * (length + 1)].astype(np.int64)
        tokens = np.resize(tokens, max(1, len(tokens) // (length + 1)) * (length + 1))
        found[name] = torch.from_numpy(tokens).view(-1, length + 1)
    return found


def loss_weight(ids: Tensor) -> Tensor:
    """1 for what the model must learn to say, USER_WEIGHT for positions after `<|user|>`; as `ids` `[rows, length]`."""
    places = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)

    def last(token: int) -> Tensor:
        return torch.where(ids == token, places, -1).cummax(1).values

    in_user = last(USER) > torch.maximum(last(ASSISTANT), last(END_OF_TEXT))
    return torch.where(in_user, USER_WEIGHT, 1.0)
