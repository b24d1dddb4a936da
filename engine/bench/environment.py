"""The machine and the versions that the figures are of."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from importlib import metadata

import torch

from .. import host
from .lab import Lab
from .report import Environment

PACKAGES = ("helix-chat", "torch", "transformers", "llama-cpp-python")
BUSY = 0.5
"""Load beyond which a reader should know that the machine was not ours alone."""


def load_average() -> float | None:
    """Processes that want a core, over the last minute; None where the system does not say (Windows)."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def examine(lab: Lab, load: float | None) -> Environment:
    """`load` is `load_average()` from before anything was loaded."""
    pair, loaded = lab.pair, lab.engine(lab.drafts).loaded
    named = {"name": f"random weights, shape {lab.settings.shape}"} if lab.shape else {}
    return Environment(
        processor=host.cpu_name(),
        features=host.cpu_features(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        memory=host.read_host().total,
        load=load,
        platform=platform.platform(),
        python=platform.python_version(),
        versions={name: version for name in PACKAGES if (version := _version(name))},
        device=f"{pair.device.spec} ({pair.device.name})",
        target={**asdict(loaded.target), **named},
        draft={**asdict(loaded.draft), **named} if loaded.draft else None,
        notes=tuple(_notes(lab, load)),
    )


def _notes(lab: Lab, load: float | None) -> list[str]:
    notes = []
    if lab.shape:
        notes.append("The weights are random: their speed is that of real ones, their words mean nothing.")
    if lab.settings.alpha is not None:
        notes.append(
            f"Acceptance is SET to {lab.settings.alpha:g} in what speculates: the drafter runs its model, then "
            "proposes the known next token with that probability. This measures the engine, not a draft."
        )
    if load is not None and load > BUSY:
        notes.append(f"The machine was busy before the start (load {load:.1f}): figures are low, ratios may be off.")
    if lab.settings.quick:
        notes.append("A smoke run: too short for figures to be relied on.")
    return notes


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
