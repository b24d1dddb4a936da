"""For every test: the person's own chats are out of reach, in this process and in those that it starts."""

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


@pytest.fixture(scope="session", autouse=True)
def own_data_folder() -> Iterator[None]:
    yield
    shutil.rmtree(FOLDER, ignore_errors=True)
