"""/docs where Swagger's script does not load: it says so, and where to read the same."""

from __future__ import annotations

from engine.server import docs

DOCUMENT = {"info": {"title": "Helix"}, "paths": {"/a<b": {"get": {"description": "x & y"}, "post": {}}}}


def test_without_the_script_the_page_lists_the_routes_and_leads_to_the_document() -> None:
    text = bytes(docs.page(DOCUMENT).body).decode()
    room = text.split('<div id="swagger-ui">')[1].split("</div>")[0]
    assert '<a href="/openapi.json">' in room
    assert "GET /a&lt;b</code> x &amp; y" in room
    assert "POST /a&lt;b" in room


def test_nothing_but_swagger_is_fetched_from_elsewhere() -> None:
    text = bytes(docs.page(DOCUMENT).body).decode()
    assert text.count("https://") == text.count("https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/")
