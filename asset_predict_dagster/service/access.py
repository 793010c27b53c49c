"""Access: every answer is timed, logged as one line of JSON, and carries the security headers."""

import asyncio
import json
import logging
import time
from collections import deque
from datetime import UTC, datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asset_predict_dagster.service.errors import ApiError
from asset_predict_dagster.service.redaction import Places, in_a_line

_log = logging.getLogger(__name__)

REMEMBERED = 2_000
"""Predictions whose latency is kept."""

HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}
"""Of every answer that does not say otherwise itself."""


class Latency:
    """How long the last predictions took in this process, milliseconds."""

    def __init__(self) -> None:
        self._kept: deque[float] = deque(maxlen=REMEMBERED)

    def add(self, milliseconds: float) -> None:
        self._kept.append(milliseconds)

    def quantiles(self) -> dict[str, float | int | None]:
        """`p50`, `p99` and how many they are of; missing before the first prediction.

        >>> latency = Latency()
        >>> for milliseconds in (1.0, 3.0, 2.0):
        ...     latency.add(milliseconds)
        >>> latency.quantiles()
        {'p50': 2.0, 'p99': 3.0, 'n': 3}
        """
        kept = sorted(self._kept)
        if not kept:
            return {"p50": None, "p99": None, "n": 0}
        p50, p99 = (kept[min(len(kept) - 1, int(q * len(kept)))] for q in (0.5, 0.99))
        return {"p50": round(p50, 3), "p99": round(p99, 3), "n": len(kept)}


class Access:
    """The outermost layer; a defect inside it becomes a 500 that says nothing of the inside."""

    def __init__(self, app: ASGIApp, *, latency: Latency, places: Places):
        self.app, self.latency, self.places = app, latency, places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"]
                known = {name for name, _ in headers}
                added = [pair for pair in HEADERS.items() if pair[0] not in known]
                message["headers"] = [*headers, *added]
            await send(message)

        try:
            await self.app(scope, receive, sent)
        except asyncio.CancelledError:  # the server has ended, and gives up what it was answering
            if status == 0:
                await _ENDED.response()(scope, receive, sent)
        except Exception as error:  # a defect: it is told here and nowhere else
            _log.error("%s", _line(kind="defect", where=in_a_line(error, self.places)))
            if status == 0:
                await _DEFECT.response()(scope, receive, sent)
        took = (time.perf_counter() - began) * 1000
        if scope["path"].endswith("/predict") and status == 200:
            self.latency.add(took)
        if _log.isEnabledFor(logging.INFO):
            client = scope.get("client")
            _log.info(
                "%s",
                _line(
                    kind="access",
                    method=scope["method"],
                    route=_route_of(scope),
                    status=status,
                    ms=round(took, 2),
                    client=client[0] if client else None,
                ),
            )


_ENDED = ApiError(503, "stopping", "the server ends; ask again once it has been started")
_DEFECT = ApiError(
    500, "internal", "something that should not happen did; the server's log says where"
)


def _route_of(scope: Scope) -> str | None:
    """The route's own name: what a caller put into a path stays out of the log."""
    name = getattr(scope.get("route"), "path", None)
    if name is None:
        return None
    # Without the prefix that its router was included under; what matched it, stands for it.
    asked = scope["path"].split("/")
    return "/".join(asked[: len(asked) - name.count("/")]) + name


def _line(**said: object) -> str:
    return json.dumps({"at": datetime.now(UTC).isoformat(timespec="milliseconds"), **said})
