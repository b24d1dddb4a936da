"""Numbers in words short enough for a panel."""

from __future__ import annotations


def size(count: int) -> str:
    """Bytes in binary units, three figures at most: `512 B`, `46 MB`, `1.4 GB`."""
    value = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if abs(value) < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 9.95 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TB"


def seconds(value: float) -> str:
    """A duration: `84 ms`, `1.24 s`, `2 m 05 s`."""
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    if value < 9.995:
        return f"{value:.2f} s"
    if value < 59.95:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} m {rest:02d} s"


def rate(value: float) -> str:
    """Tokens a second: one decimal below a hundred."""
    return f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def percent(value: float | None) -> str:
    """A share; a dash when there is none. Only a whole is shown as 100 %, and only nothing as 0 %."""
    if value is None:
        return "–"
    shown = round(value * 100)
    if shown == 100 and value < 1:
        shown = 99
    if shown == 0 and value > 0:
        return "<1 %"
    return f"{shown} %"


def count(value: int, noun: str) -> str:
    """`1 block`, `2 blocks`."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def millions(parameters: int) -> str:
    """A model's size: `15.2M`, `1.5B`."""
    if parameters >= 999_500_000:
        return f"{parameters / 1e9:.1f}B"
    if parameters >= 999_500:
        value = parameters / 1e6
        return f"{value:.1f}M" if value < 99.95 else f"{value:.0f}M"
    return f"{parameters / 1e3:.0f}K"
