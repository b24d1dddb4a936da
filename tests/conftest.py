"""For every test: the person's own chats are out of reach, and one thread a process; in those that it starts too."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest

# At import: before any test module can open a store.
FOLDER = tempfile.mkdtemp(prefix="helix-tests-")
os.environ["HELIX_DATA"] = FOLDER
os.environ["HELIX_CACHE"] = f"{FOLDER}/cache"
# Before torch is imported: workers side by side, each with a thread for every core, would wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def own_data_folder() -> Iterator[None]:
    yield
    shutil.rmtree(FOLDER, ignore_errors=True)
