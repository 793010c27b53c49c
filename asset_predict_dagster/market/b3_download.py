"""One file from an address into a folder: whole or not at all, and only if it is new."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import requests
from requests.exceptions import ChunkedEncodingError, ContentDecodingError
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential_jitter

from asset_predict_dagster.errors import MarketFileError, SourceDownError
from asset_predict_dagster.market.chosen_host import (
    LastingError,
    PassingError,
    refuse_status,
    root,
    session_of,
    shown,
)
from asset_predict_dagster.market.landing import (
    NOTES,
    check_landed,
    digest_of,
    generated_on,
    partial_of,
    read_notes,
    remove_partial,
    write_notes,
)

_PIECE_BYTES = 2**20

Outcome = Literal["fetched", "unchanged", "missing"]


@dataclass(frozen=True)
class Patience:
    """How long to wait for an answer, and how often to ask again.

    Before attempt n + 1 it waits `first_wait_s` × 2ⁿ⁻¹ and up to `first_wait_s` more by chance, so
    that many who were cut off together do not come back together; no wait is longer than
    `longest_wait_s`. A server that asks for a longer one is taken to be down.
    """

    attempts: int = 5
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 60.0
    first_wait_s: float = 2.0
    longest_wait_s: float = 120.0


class Downloads:
    """Files of one address, landed in one folder; a context that keeps its connection open.

    `address` is fit to be shown: it holds no user and no password.
    """

    def __init__(
        self, address: str, folder: Path, patience: Patience, sleep: Callable[[float], None]
    ) -> None:
        self.address = shown(address).rstrip("/")
        self._folder = folder
        self._patience = patience
        self._sleep = sleep
        self._backoff = wait_exponential_jitter(
            multiplier=patience.first_wait_s,
            jitter=patience.first_wait_s,
            max=patience.longest_wait_s,
        )
        self._notes = read_notes(folder / NOTES)
        self._session = session_of(address)

    def __enter__(self) -> "Downloads":
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def fetch(self, name: str) -> Outcome:
        """Bring one file of the folder up to what the address has.

        A file that is there is asked for on condition that it changed. It is replaced if the new
        one was generated later, or on the same day where the old one came from this address, so
        that a file somebody put there gives way to a newer version only.

        Returns
        -------
        `fetched` if the folder holds another file than before, `missing` if the address has none.

        Raises
        ------
        SourceDownError
            If no attempt succeeded. The folder is as it was before.
        """
        url = f"{self.address}/{name}"
        retrying = Retrying(
            stop=stop_after_attempt(self._patience.attempts),
            wait=self._wait_s,
            retry=retry_if_exception_type(PassingError),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(self._attempt, url, self._folder / name)
        except (PassingError, LastingError) as error:
            tries = retrying.statistics["attempt_number"]
            raise SourceDownError(
                f"{url} could not be fetched ({tries} of {self._patience.attempts} attempts):"
                f" {error}; every file fetched whole stays in {self._folder}, so try again later"
                " or set ASSET_PREDICT_B3_ARCHIVE to a mirror"
            ) from error.__cause__

    def _wait_s(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked_s = error.wait_s if isinstance(error, PassingError) else 0.0
        return max(asked_s, self._backoff(state))

    def _attempt(self, url: str, path: Path) -> Outcome:
        conditions = self._conditions(path)
        timeouts = (self._patience.connect_timeout_s, self._patience.read_timeout_s)
        try:
            with self._session.get(
                url, headers=conditions, stream=True, timeout=timeouts
            ) as response:
                if response.status_code == 304 and conditions:
                    return "unchanged"
                if response.status_code in (404, 410):
                    return "missing"
                refuse_status(response, self._patience.longest_wait_s)
                return self._land(response, path)
        except (
            requests.ConnectionError,
            requests.Timeout,
            ChunkedEncodingError,
            ContentDecodingError,
        ) as error:
            raise PassingError(f"the connection failed ({root(error)})") from error
        except MarketFileError as error:
            raise PassingError(str(error)) from error
        except requests.RequestException as error:
            raise LastingError(str(error)) from error

    def _conditions(self, path: Path) -> dict[str, str]:
        # Of a file that cannot be read, the same again is what is wanted.
        is_sound = path.exists() and generated_on(path) is not None
        note = self._notes.get(path.name, {}) if is_sound else {}
        asked = {"If-None-Match": note.get("etag"), "If-Modified-Since": note.get("last_modified")}
        return {name: value for name, value in asked.items() if value}

    def _land(self, response: requests.Response, path: Path) -> Outcome:
        """Take the body, check it, and put it in its place in one step."""
        partial = partial_of(path)
        landed = partial / path.name
        try:
            remove_partial(partial)
            partial.mkdir()
            with landed.open("wb") as file:
                # urllib3 raises if fewer bytes come than Content-Length says.
                for piece in response.iter_content(_PIECE_BYTES):
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            check_landed(landed)
            digest = digest_of(landed)
            replaces = self._replaces(landed, digest, path)
            if replaces:
                os.replace(landed, path)
        finally:
            remove_partial(partial)
        self._notes[path.name] = {
            "etag": response.headers.get("ETag"),
            "last_modified": response.headers.get("Last-Modified"),
            "digest": digest,
        }
        write_notes(self._folder / NOTES, self._notes)
        return "fetched" if replaces else "unchanged"

    def _replaces(self, landed: Path, digest: str, path: Path) -> bool:
        if not path.exists():
            return True
        old_digest = digest_of(path)
        if digest == old_digest:
            return False
        old, new = generated_on(path), generated_on(landed)
        came_from_here = self._notes.get(path.name, {}).get("digest") == old_digest
        assert new is not None  # `check_landed` has read it
        return old is None or new > old or (new == old and came_from_here)
