"""Where the data is."""

from __future__ import annotations

import os
from pathlib import Path

from .. import folders


def data_folder() -> Path:
    """`HELIX_DATA`, else the platform's folder for a person's data."""
    if given := os.environ.get("HELIX_DATA"):
        return folders.at_home(given)
    return folders.data()
