"""Pictures of a finished reply as Markdown, dark and light."""

from __future__ import annotations

import pytest
from driving import ask
from scripted import ScriptedEngine
from test_screens import Snap, taken
from textual.pilot import Pilot

from helix_tui.app import HelixApp

REPLY = """## Drafting ahead

A **small** model guesses, the *large* one checks; ~~magic~~ arithmetic with `torch`. See [the paper](https://arxiv.org).

1. Draft four tokens.
2. Verify them in one pass:
   * keep the prefix that agrees
   * correct the first that does not

```python
@torch.inference_mode()
def accept(p: float, q: float) -> bool:
    "Keep a token that the target likes as much."
    return random() < min(1.0, p / q)  # lossless
```

> The text is exactly what the target alone would have written.

| Drafted | Kept | Speed |
|:--------|-----:|------:|
| 4 | 72 % | 1.6x |
| 中文 👩🏽‍🚀 | 0 % | 0.9x |
"""


@pytest.mark.parametrize("theme", ["helix-dark", "helix-light"])
def test_markdown(snap_compare: Snap, theme: str) -> None:
    async def act(pilot: Pilot[None], app: HelixApp) -> None:
        app.theme = theme
        await ask(pilot, app, "What is speculative decoding?")

    assert taken(snap_compare, (120, 46), act, ScriptedEngine(replies=[REPLY]))
