"""The person's settings: what there is to set, the file, the environment, and what holds of them all."""

from __future__ import annotations

from .effective import Settings, config_path, gather

__all__ = ["Settings", "config_path", "gather"]
