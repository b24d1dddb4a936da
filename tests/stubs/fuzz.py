"""What the property-based tests share: how many examples, values of every kind, and what a sentence is."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st


def fuzz(examples: int) -> settings:
    """The same examples in every run, and no clock that judges them."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        # A failure is told as it was found: making it small took minutes.
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
    )


odd_text = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", " ", "\0", "\x1b[2J", "\ud800", "a\nb", "auto", "user", "🦉" * 50, "x" * 5000, "<|end|>"]),
)
odd_number = st.one_of(
    st.integers(),
    st.floats(),
    # Not written out here: a strategy is shown with its values, and Python shows no number this long.
    st.sampled_from([400, 5000]).map(lambda digits: 10**digits),
    st.sampled_from([True, False, -1, 0, 2**63, -(2**63), math.nan, math.inf, -math.inf, 1e308]),
)
plain = st.none() | odd_number | odd_text
"""What JSON and TOML can hold, without what holds others."""


def nested(leaf: st.SearchStrategy[Any] = plain) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaf, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(odd_text, inner, max_size=4), max_leaves=8
    )


beyond_json = st.sampled_from([b"bytes", range(3), frozenset({1, 2}), print])
anything = st.one_of(plain, nested(), beyond_json)


def is_sentence(text: str) -> bool:
    """One line that a terminal can show, of a length that a person reads."""
    return text.isprintable() and text.rstrip().endswith((".", "?")) and len(text) < 700
