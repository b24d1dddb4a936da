"""A hub that fails in the ways that hubs do: asked for a repository by the name of what goes wrong."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Lock
from typing import Any

from hub import COMMIT, Hub, _tag
from hub import Handler as Working

CUT = 40_000
"""Bytes after which the connection of `org/cut` is gone, the first time."""


class TroubledHub(Hub):
    """`org/pocket` works; `org/gated`, `org/private`, `org/cut` and others do what they are called."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.RequestHandlerClass = Handler
        self.cuts = 0
        self.ranges: list[str] = []
        """What was asked for of a file in the middle."""
        self._counting = Lock()

    def cut(self) -> bool:
        """Whether to break off: eight times in all, of files that come side by side."""
        with self._counting:
            more = self.cuts < 8
            self.cuts += more
            return more


class Handler(Working):
    server: TroubledHub

    def do_HEAD(self) -> None:
        if not self._trouble():
            self._one(with_content=False)

    def do_GET(self) -> None:
        if self._trouble():
            return
        if "/resolve/" in self.path:
            self._one(with_content=True)
            return
        files = [{"rfilename": n, "size": len(d), "blobId": _tag(n)} for n, d in self.server.files.items()]
        if "/tree/" in self.path:
            self._json([{"type": "file", "path": f["rfilename"], "size": f["size"], "oid": f["blobId"]} for f in files])
            return
        name = self._repository()
        self._json({"id": name, "modelId": name, "sha": COMMIT, "siblings": files, "tags": [], "private": False})

    def _repository(self) -> str:
        parts = self.path.removeprefix("/api/models").strip("/").split("/")
        return "/".join(parts[:2])

    def _trouble(self) -> bool:
        """Whether it was answered with a refusal."""
        if self.headers.get("Authorization") == "Bearer hf_wrong":
            self._refuse(401, None, "Invalid credentials in Authorization header")
        elif self._repository() == "org/gated":
            self._refuse(403 if self.headers.get("Authorization") else 401, "GatedRepo", "Access is restricted.")
        elif self._repository() == "org/private":
            self._refuse(401, None, "Invalid username or password.")
        elif self._repository() == "org/nowhere":
            self._refuse(404, "RepoNotFound", "Repository not found")
        elif self._repository() == "org/ill":
            self._refuse(503, None, "overloaded")
        elif "/revision/lost" in self.path or "/resolve/lost" in self.path or "/tree/lost" in self.path:
            self._refuse(404, "RevisionNotFound", "Invalid rev id: lost")
        else:
            return False
        return True

    def _refuse(self, status: int, code: str | None, message: str) -> None:
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self._answer(status, json.dumps({"error": message}).encode(), headers)

    def _one(self, *, with_content: bool) -> None:
        """A file, from where it was asked for; large ones of `org/cut` break off, those of `org/dead` never begin."""
        name = self.path.partition("?")[0].split("/")[-1]
        content = self.server.files.get(name)
        if content is None:
            self._refuse(404, "EntryNotFound", "Entry not found")
            return
        about: dict[str, Any] = {"ETag": f'"{_tag(name)}"', "X-Repo-Commit": COMMIT}
        wanted = self.headers.get("Range")
        start = 0
        if wanted and with_content:
            self.server.ranges.append(wanted)
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
            about["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start:]
        about["Content-Length"] = str(len(body))
        if with_content:
            self.server.sent.append(name)
        large = with_content and len(body) > CUT
        dead = large and self._repository() == "org/dead"
        broken = large and self._repository() == "org/cut" and self.server.cut()
        self.send_response(206 if start else 200)
        for key, value in about.items():
            self.send_header(key, value)
        self.end_headers()
        if broken or dead:
            self.wfile.write(body[: CUT if broken else 0])
            self.close_connection = True
        elif with_content:
            self.wfile.write(body)
