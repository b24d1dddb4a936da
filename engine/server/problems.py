"""What went wrong, in the shape that OpenAI's clients read: no paths, no prompts, no stack traces."""

from __future__ import annotations

import logging
from typing import Any

from starlette.responses import JSONResponse

from ..errors import ContextTooLong, HelixError, InvalidRequest, OutOfMemory

LOG = logging.getLogger("helix.server")
STOPPING = "The server is stopping; ask again later."


class Problem(Exception):
    """An answer that is not a reply. `kind` is OpenAI's `type`."""

    def __init__(
        self, status: int, message: str, kind: str, code: str | None = None, param: str | None = None, retry: int = 0
    ) -> None:
        """`retry` is in seconds; 0 does not say when to come back."""
        super().__init__(message)
        self.status, self.message, self.kind, self.code, self.param, self.retry = (
            status, message, kind, code, param, retry,
        )  # fmt: skip

    def body(self) -> dict[str, Any]:
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        headers = {"Retry-After": str(self.retry)} if self.retry else {}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(self.body(), self.status, headers)


def bad(message: str, param: str | None = None, code: str | None = None) -> Problem:
    return Problem(400, message, "invalid_request_error", code, param)


def stopping() -> Problem:
    return Problem(503, STOPPING, "server_error", "stopping", retry=5)


def problem(error: Exception) -> Problem:
    """Of anything that a request may end with."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, ContextTooLong):
        return bad(str(error), code="context_length_exceeded")
    if isinstance(error, InvalidRequest):
        return bad(str(error)[:300])
    if isinstance(error, OutOfMemory):
        return Problem(503, str(error), "server_error", "out_of_memory", retry=5)
    # What broke inside may name files or hold pieces of a prompt: the log gets its kind, the client none of it.
    LOG.error("a request failed: %s", type(error).__name__)
    said = "failed" if isinstance(error, HelixError) else "broke"
    return Problem(500, f"The model {said} on this request; ask again.", "server_error", "internal_error")
