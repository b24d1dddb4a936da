"""For every test: the person's own chats are out of reach, and one thread a process; in those that it starts too."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from engine import Engine

# At import: before any test module can open a store.
FOLDER = tempfile.mkdtemp(prefix="helix-tests-")
os.environ["HELIX_DATA"] = FOLDER
os.environ["HELIX_CACHE"] = f"{FOLDER}/cache"
# Before torch is imported: workers side by side, each with a thread for every core, would wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A worker for each core, four at most; none for a single file, which one worker would run anyway."""
    files = {argument.partition("::")[0] for argument in config.args}
    if len(files) == 1 and files.pop().endswith(".py"):
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(4, cores)


@pytest.fixture(scope="session", autouse=True)
def own_data_folder() -> Iterator[None]:
    yield
    shutil.rmtree(FOLDER, ignore_errors=True)


@pytest.fixture(scope="session")
def bundled() -> Iterator[Engine]:
    """The bundled pair, in the dtype that every CPU has. Its prefix cache remembers earlier tests."""
    from engine import Engine

    with Engine.load(device="cpu", dtype="float32") as engine:
        yield engine
