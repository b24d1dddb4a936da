"""What a server allows, checked when it is made: raises InvalidRequest for what would not be safe."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from ..config import Depth, Speculation, _number
from ..errors import InvalidRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    host: str = "127.0.0.1"
    port: int = 8000
    """0 takes a free one."""
    api_key: str | None = field(default=None, repr=False)
    """What clients must send as `Authorization: Bearer ...`; needed for any address but loopback."""
    origins: tuple[str, ...] = ()
    """Web pages that may call from a browser (CORS), such as "https://chat.example"; none unless asked for."""
    max_body: int = 1_000_000
    """Bytes."""
    max_prompt: int = 200_000
    """Characters of all texts of one request together, or token ids."""
    max_batch: int = 32
    """Requests in one call, `n` included."""
    max_queue: int = 64
    """Requests that run or wait; more are told to come back (429)."""
    depth: Depth = "auto"
    """Of requests that name none."""
    time_limit: float = 600.0
    """Seconds from asking to the end of a reply."""
    body_seconds: float = 30.0
    """Seconds to send a request in."""
    grace: float = 10.0
    """Seconds that requests have to finish when the server stops; those that do not, fail."""

    def __post_init__(self) -> None:
        _number("port", self.port, 0, 65535, whole=True)
        for name in ("max_body", "max_prompt", "max_batch", "max_queue"):
            _number(name, getattr(self, name), 1, whole=True)
        for name in ("time_limit", "body_seconds", "grace"):
            _number(name, getattr(self, name), 0)
        Speculation(self.depth)  # Raises for what is no depth.
        for origin in self.origins:
            if not re.fullmatch(r"https?://[^/\s*@]+", origin):
                raise InvalidRequest(f"{origin} is no origin; give scheme and host alone, as in https://chat.example.")
        if self.api_key is not None and len(self.api_key) < 8:
            raise InvalidRequest("The API key is too short to be one; give at least 8 characters.")
        if not self.loopback and self.api_key is None:
            raise InvalidRequest(
                f"{self.host} can be reached by others, so the server needs an API key there; "
                "give one, or stay on 127.0.0.1."
            )

    @property
    def loopback(self) -> bool:
        """Whether only programs on this machine can connect."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Of a name or address without port. Only `localhost` is trusted among names: others may resolve to anything."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
