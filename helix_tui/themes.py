"""Helix's own two themes, and the colours that its panels need whatever the theme."""

from __future__ import annotations

from textual.theme import Theme

DARK = {
    "muted": "#8a94a6",
    "faint": "#59637a",
    "line": "#232b3a",
    "accent-dim": "#2f9486",
    "bar-track": "#1b222e",
    "accepted": "#a3e4d4",
    "accepted-wash": "#123530",
    "rejected": "#e27d88",
    "rejected-wash": "#2c1920",
    "corrected": "#f2c078",
    "corrected-wash": "#3b2d17",
    "bonus": "#9dbcff",
    "bonus-wash": "#1d2a4a",
    "plain": "#d7dce6",
    "plain-wash": "#1b222e",
    "block-free": "#323c4e",
    "block-cached": "#6f8f8a",
    "block-flight": "#f2c078",
    "block-shared": "#9dbcff",
    "block-held": "#4fd6be",
    "owner-1": "#4fd6be",
    "owner-2": "#c3a0ff",
    "owner-3": "#ff8fb8",
    "owner-4": "#b8dc6a",
    "owner-5": "#ff9d6b",
    "owner-6": "#62c8ff",
    "memory-target": "#4fd6be",
    "memory-draft": "#9dbcff",
    "memory-kv": "#f2c078",
    "memory-reserved": "#5c4c31",
    "memory-other": "#59637a",
    "memory-free": "#1f2735",
    "replay": "#f2c078",
    "replay-text": "#14181f",
}

LIGHT = {
    "muted": "#566072",
    "faint": "#8a93a3",
    "line": "#d3d9e2",
    "accent-dim": "#4aa99b",
    "bar-track": "#dfe4eb",
    "accepted": "#0b6457",
    "accepted-wash": "#d3efe8",
    "rejected": "#b0303f",
    "rejected-wash": "#f7dfe1",
    "corrected": "#8a5200",
    "corrected-wash": "#f8e6c8",
    "bonus": "#2a4fb0",
    "bonus-wash": "#dbe5fb",
    "plain": "#1d2430",
    "plain-wash": "#e6eaf0",
    "block-free": "#b9c1cd",
    "block-cached": "#6d9790",
    "block-flight": "#a86400",
    "block-shared": "#2a4fb0",
    "block-held": "#0b7a6a",
    "owner-1": "#0b7a6a",
    "owner-2": "#6b3fc0",
    "owner-3": "#b02468",
    "owner-4": "#4f7400",
    "owner-5": "#b34a12",
    "owner-6": "#0a6ea8",
    "memory-target": "#0b7a6a",
    "memory-draft": "#2a4fb0",
    "memory-kv": "#c07a10",
    "memory-reserved": "#e7cfa2",
    "memory-other": "#9aa4b4",
    "memory-free": "#e3e8ee",
    "replay": "#8a5200",
    "replay-text": "#ffffff",
}

HELIX_DARK = Theme(
    name="helix-dark",
    primary="#4fd6be",
    secondary="#9dbcff",
    accent="#4fd6be",
    warning="#f2c078",
    error="#e27d88",
    success="#7fd6a4",
    foreground="#d7dce6",
    background="#0c1017",
    surface="#121822",
    panel="#171e2a",
    dark=True,
    variables={
        **DARK,
        "footer-background": "#0c1017",
        "footer-key-foreground": "#4fd6be",
        "footer-description-foreground": "#8a94a6",
        "block-cursor-foreground": "#0c1017",
        "input-selection-background": "#4fd6be 30%",
        "scrollbar": "#232b3a",
        "scrollbar-background": "#0c1017",
    },
)

HELIX_LIGHT = Theme(
    name="helix-light",
    primary="#0b7a6a",
    secondary="#2a4fb0",
    accent="#0b7a6a",
    warning="#8a5200",
    error="#b0303f",
    success="#1d7a46",
    foreground="#1d2430",
    background="#f7f9fb",
    surface="#eef1f5",
    panel="#e6eaf0",
    dark=False,
    variables={
        **LIGHT,
        "footer-background": "#f7f9fb",
        "footer-key-foreground": "#0b7a6a",
        "footer-description-foreground": "#566072",
        "scrollbar": "#c6ceda",
        "scrollbar-background": "#f7f9fb",
    },
)

THEMES = (HELIX_DARK, HELIX_LIGHT)


def colours(dark: bool) -> dict[str, str]:
    """Helix's own variables for a theme that knows nothing of them."""
    return dict(DARK if dark else LIGHT)
