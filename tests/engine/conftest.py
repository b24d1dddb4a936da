"""Shared by the engine's tests: one thread, no network, and engines that are loaded once."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"

from collections.abc import Iterator

import httpx
import pytest
import tiny
import torch
from serving import Served, serving

from engine import Engine

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> tiny.Models:
    """Folders of tiny random models, each made when it is first asked for."""
    return tiny.Models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def pair(models: tiny.Models) -> Iterator[Engine]:
    """A tiny llama and a draft that is often right; no tokenizer, context 160."""
    with Engine.load(models.target("llama"), models.near("llama"), device="cpu") as engine:
        yield engine


@pytest.fixture(scope="module")
def served(bundled: Engine) -> Iterator[Served]:
    with serving(bundled) as server:
        yield server


@pytest.fixture(scope="module")
def http(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=60) as client:
        yield client
