"""Security: who may ask, how much and how often. One guard around the whole app, and the key.

- Without a key only this machine is served, under its own names: a page that points another name
  at 127.0.0.1 is refused, and so is a client from elsewhere, wherever the server was bound.
- Browsers of other origins are refused unless the settings list them.
- A body is read here, whole, up to `MAX_BODY_BYTES` and `BODY_SECONDS`.
- `require_key` stands before every route that starts a run or moves a champion.
"""

import asyncio
import hmac
import ipaddress
import time
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Request, Security
from fastapi.security import APIKeyHeader
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asset_predict_dagster.service.errors import ApiError

MAX_BODY_BYTES = 64 * 1024
BODY_SECONDS = 10.0

WRONG_KEYS_A_MINUTE = 10
"""Wrong keys that a client may try; then it waits, whatever it sends."""

_MOST_CLIENTS = 10_000
"""Clients that are counted at once; beyond, those longest unseen are forgotten."""


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own.

    >>> [is_loopback(host) for host in ("127.0.0.1", "localhost", "::1", "[::1]", "0.0.0.0")]
    [True, True, True, True, False]
    """
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class Allowance:
    """So many a period for each client, a token bucket: unused ones are kept up to one period's."""

    def __init__(self, n: int, seconds: float):
        self.n, self.seconds = n, seconds
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, client: str, now: float | None = None) -> float:
        """Take one; 0 if there was one, else the seconds until there will be."""
        at = time.monotonic() if now is None else now
        left, before = self._left.pop(client, (float(self.n), at))
        left = min(float(self.n), left + (at - before) * self.n / self.seconds)
        wait = 0.0 if left >= 1 else (1 - left) * self.seconds / self.n
        # Put back at the end: the first in line is the one longest unseen.
        self._left[client] = (left - 1 if wait == 0.0 else left), at
        if len(self._left) > _MOST_CLIENTS:
            del self._left[next(iter(self._left))]
        return wait

    def wait(self, client: str, now: float | None = None) -> float:
        """The seconds until there is one, without taking it."""
        at = time.monotonic() if now is None else now
        left, before = self._left.get(client, (float(self.n), at))
        left = min(float(self.n), left + (at - before) * self.n / self.seconds)
        return 0.0 if left >= 1 else (1 - left) * self.seconds / self.n


class KeyRing:
    """The key, and who has guessed at it."""

    def __init__(self, key: str | None):
        self._key = None if key is None else key.encode()
        self._guesses = Allowance(WRONG_KEYS_A_MINUTE, 60.0)

    @property
    def is_set(self) -> bool:
        return self._key is not None

    def check(self, client: str, sent: bytes | None) -> None:
        """Raise `ApiError` unless there is no key or this is it."""
        if self._key is None:
            return
        if sent is None:
            raise ApiError(401, "key_missing", "this route needs the key, in the header X-API-Key")
        if wait := self._guesses.wait(client):
            raise _too_many(wait)
        # In constant time: how long a wrong key takes says nothing of the right one.
        if not hmac.compare_digest(sent, self._key):
            self._guesses.take(client)
            raise ApiError(403, "key_wrong", "the key in X-API-Key is not the one of this server")


_HEADER = APIKeyHeader(
    name="X-API-Key",
    scheme_name="key",
    description="the server's key, where it has one (`ASSET_PREDICT_API_KEY`)",
    auto_error=False,
)
KEY_OR_NONE = {"security": [{"key": []}, {}]}
"""For the specification of a route that does more for who has the key."""


async def require_key(request: Request, _: Annotated[str | None, Security(_HEADER)]) -> None:
    """A dependency of routes that start a run or move a champion; the specification names it."""
    check_key(request)


def check_key(request: Request) -> None:
    """Raise `ApiError` unless the request has the key, or there is none."""
    # As bytes: a key may have letters that no header is read with.
    sent = next((v for k, v in request.scope["headers"] if k == b"x-api-key"), None)
    request.app.state.keys.check(_client(request.scope), sent)


class Guard:
    """Stands around the whole app; see the module."""

    def __init__(
        self, app: ASGIApp, *, has_key: bool, origins: tuple[str, ...], requests_a_second: int
    ):
        self.app, self.has_key, self.origins = app, has_key, origins
        self._requests = Allowance(requests_a_second, 1.0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            self._refuse_strangers(scope)
            if wait := self._requests.take(_client(scope)):
                raise _too_many(wait)
            body = await _whole_body(scope, receive)
        except ApiError as refusal:
            answer = refusal.response()
            origin = Headers(scope=scope).get("origin")
            # CORS is inside, where preflights are guarded too; a listed page is to read why.
            if origin in self.origins:
                answer.headers["Access-Control-Allow-Origin"] = origin
                answer.headers["Vary"] = "Origin"
            await answer(scope, receive, send)
            return
        await self.app(scope, _replayed(body, receive), send)

    def _refuse_strangers(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self.has_key:
            if not is_loopback(_client(scope)):
                raise ApiError(
                    403,
                    "client_refused",
                    "without ASSET_PREDICT_API_KEY only its own machine is served",
                )
            if not is_loopback(urlsplit(f"//{host}").hostname or ""):
                raise ApiError(403, "host_refused", "ask for this server as 127.0.0.1 or localhost")
        origin = headers.get("origin")
        own = {f"http://{host}", f"https://{host}"}
        if origin is not None and origin not in own and origin not in self.origins:
            raise ApiError(
                403,
                "origin_refused",
                "pages of other origins are not served, but for those that"
                " ASSET_PREDICT_CORS_ORIGINS lists",
            )


def _client(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _too_many(wait: float) -> ApiError:
    seconds = max(1, round(wait + 0.5))
    return ApiError(429, "too_many_requests", f"ask again in {seconds} s", {"retry_after": seconds})


async def _whole_body(scope: Scope, receive: Receive) -> bytes:
    """The body of the request, or `ApiError` if it is too large or does not come."""
    if scope["method"] in ("GET", "HEAD", "OPTIONS", "DELETE"):
        return b""
    declared = Headers(scope=scope).get("content-length", "0")
    too_large = ApiError(413, "body_too_large", f"a body has {MAX_BODY_BYTES:,} bytes at most")
    if not declared.isdecimal() or int(declared) > MAX_BODY_BYTES:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    break
                body += message.get("body", b"")
                if len(body) > MAX_BODY_BYTES:
                    raise too_large
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        raise ApiError(
            408, "body_too_slow", f"the body did not come within {BODY_SECONDS:g} s"
        ) from None
    return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What the app is given instead of the stream that was read; then whatever comes after."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again
