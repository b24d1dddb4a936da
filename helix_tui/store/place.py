"""Where the data is."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def data_folder() -> Path:
    """`HELIX_DATA`, else the platform's folder for a person's data."""
    if given := os.environ.get("HELIX_DATA"):
        return Path(given).expanduser()
    return platformdirs.user_data_path("helix-chat", appauthor=False)
