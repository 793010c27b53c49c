"""The host that files are fetched from: who may answer for it, and which failures pass.

Redirects are followed on the same host only, and never from https to http: what answers for
another host is no longer the archive that somebody chose to trust. A user and a password in an
address are told to its host and to nobody else.
"""

from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urljoin, urlsplit

import requests


class PassingError(Exception):
    """An attempt failed in a way that the next one may not."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class LastingError(Exception):
    """Asking again would change nothing."""


class _SameHost(requests.Session):
    """Refuses to be sent elsewhere."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target is None:
            return None
        try:
            here, there = urlsplit(resp.url), urlsplit(urljoin(resp.url, target))
            _ = there.port  # raises if it is none
        except ValueError as error:
            resp.close()
            raise LastingError(f"it redirects to what is no address ({error})") from error
        if here.hostname != there.hostname or (here.scheme, there.scheme) == ("https", "http"):
            resp.close()
            raise LastingError(f"it redirects to {shown(there.geturl())}, which is not trusted")
        return target


def session_of(address: str) -> requests.Session:
    """A session that knows the user and the password of an address, and stays with its host."""
    session = _SameHost()
    # Apart from the address, which errors repeat: those of `requests` and its causes, too.
    session.auth = _credentials(address)
    # Packed on the way, a body's length would not be the file's.
    session.headers.update({"User-Agent": "asset-predict-dagster", "Accept-Encoding": "identity"})
    return session


def refuse_status(response: requests.Response, longest_wait_s: float) -> None:
    """Raise unless the answer is a file. A host that asks for a longer wait is taken to be down."""
    status = f"it answers {response.status_code} {response.reason}"
    if response.status_code == 429 or response.status_code >= 500:
        wait_s = _retry_after_s(response)
        if wait_s > longest_wait_s:
            raise LastingError(f"{status} and asks for {wait_s:,.0f} s of patience")
        raise PassingError(status, wait_s)
    if response.status_code != 200:
        raise LastingError(status)


def shown(address: str) -> str:
    """An address without the user and the password that may stand before its host.

    Examples
    --------
    >>> shown("https://user:password@host:8080/files")
    'https://host:8080/files'
    """
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _credentials(address: str) -> tuple[str, str] | None:
    """The user and the password of an address; None if it names no user."""
    parts = urlsplit(address)
    if parts.username is None:
        return None
    return unquote(parts.username), unquote(parts.password or "")


def _retry_after_s(response: requests.Response) -> float:
    """Seconds the server asks to wait; a day and hour is read by the server's own clock."""
    asked = response.headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked)
    try:
        now = parsedate_to_datetime(response.headers["Date"])
        return max((parsedate_to_datetime(asked) - now).total_seconds(), 0.0)
    except (KeyError, ValueError, TypeError):
        return 0.0


def root(error: BaseException) -> str:
    """What lies at the bottom of a chain of errors, in its own words."""
    while below := error.__cause__ or error.__context__:
        error = below
    return f"{type(error).__name__}: {error}"
