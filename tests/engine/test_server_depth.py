"""The depth of requests that name none: the server's own."""

from __future__ import annotations

from typing import Any

import pytest

from engine import InvalidRequest
from engine.config import Depth
from engine.server import ServerSettings
from engine.server.openai_schemas import ChatAsked
from engine.server.schemas import Generate


@pytest.mark.parametrize(
    ("said", "usual", "depth"),
    [
        ({}, "auto", "auto"),
        ({}, 3, 3),
        ({"depth": 5}, 3, 5),
        ({"depth": "auto"}, 3, "auto"),
        ({"baseline": True}, 3, 0),
        ({"seed": 1, "temperature": 0.7}, "auto", 4),
        ({"seed": 1, "temperature": 0.7}, 2, 2),
    ],
)
def test_a_request_has_the_servers_depth_unless_it_names_one(said: dict[str, Any], usual: Depth, depth: Depth) -> None:
    assert Generate(prompt="a", **said).request(usual, prompt="a").speculation.depth == depth
    chat = ChatAsked.model_validate({"messages": [{"role": "user", "content": "a"}], "temperature": 0, **said})
    assert [request.speculation.depth for request in chat.requests(usual)] == [depth]


def test_a_server_refuses_what_is_no_depth() -> None:
    with pytest.raises(InvalidRequest, match="depth"):
        ServerSettings(depth=99)
