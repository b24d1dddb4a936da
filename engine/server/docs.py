"""/docs: Swagger's page, which a script from a CDN fills; until that is there, the routes and where to read of them.

Nothing is bundled: a script of 1.5 MB for one page would be the largest file of the package.
"""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse

ROOM = '<div id="swagger-ui">'
"""Swagger takes the place of what is in it."""
OFFLINE = (
    "Swagger's script comes from cdn.jsdelivr.net and is not here yet; with no network, read "
    '<a href="/openapi.json">/openapi.json</a>, which says the same.'
)


def page(document: dict[str, Any]) -> HTMLResponse:
    """The page for an OpenAPI document."""
    routes = [
        f"<li><code>{method.upper()} {escape(path)}</code> {escape(operation.get('description', ''))}</li>"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    title = document["info"]["title"]
    html = bytes(get_swagger_ui_html(openapi_url="/openapi.json", title=title, swagger_favicon_url="data:,").body)
    before, room, after = html.decode().partition(ROOM)
    return HTMLResponse(f"{before}{room}<h1>{escape(title)}</h1><p>{OFFLINE}</p><ul>{''.join(routes)}</ul>{after}")
