"""Others: what no snapshot holds and few ask for, worked out when it is, elsewhere, and kept.

One piece of work at a time and few waiting: whoever comes then is told to come again.
"""

import asyncio
from collections import OrderedDict
from datetime import timedelta
from typing import Any

from asset_predict_dagster.errors import RegistryError
from asset_predict_dagster.registry.registered import registered_versions
from asset_predict_dagster.service.child import BUILD_VERSION, DRIFT, WorkError, elsewhere
from asset_predict_dagster.service.errors import ApiError
from asset_predict_dagster.service.redaction import Places
from asset_predict_dagster.service.snapshot import Snapshot, Version

_KEPT = 16
_MOST_WAITING = 4
_SECONDS = 120.0

_REFUSED = {
    "UnknownVersionError": (404, "unknown_version"),
    "DatasetError": (422, "too_little_data"),
    # A version that has learned from what it would forecast is no longer asked about it.
    "RegistryError": (422, "hindsight"),
    "BundleError": (422, "version_unreadable"),
}


class Others:
    """Versions that are not champions, and drift."""

    def __init__(self, places: Places, expires_after: timedelta):
        self.places, self.expires_after = places, expires_after
        self._kept: OrderedDict[tuple, Any] = OrderedDict()
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def version(self, now: Snapshot, model: str, number: str) -> Version:
        """What that version says at the moment of the snapshot.

        Raises
        ------
        ApiError
            404 if there is none, 422 if it cannot be asked, 503 if others are waiting or the
            registry cannot be read.
        """
        found = None
        # A process takes seconds, and a number that is not there is known at once.
        if await asyncio.to_thread(self._is_registered, model, number):
            given = self.expires_after, now.state, model, number
            found = await self._once(BUILD_VERSION, given, now)
        if found is None:
            raise ApiError(
                404,
                "unknown_version",
                f"there is no version {number} of {model}",
                {"model": model, "version": number},
            )
        return found

    async def drift(self, now: Snapshot, asked: tuple[Any, ...]) -> dict[str, Any]:
        """`drift_of` of what is asked.

        Raises
        ------
        ApiError
            404 if a version of the table is not there, 422 if there is too little to compare, 503
            if others are waiting.
        """
        return await self._once(DRIFT, asked, now)

    def _is_registered(self, model: str, number: str) -> bool:
        try:
            return (model, number) in registered_versions(self.places.registry_database)
        except RegistryError:
            raise ApiError(503, "lake_unreachable", "the registry cannot be read") from None

    async def _once(self, task: str, given: tuple[Any, ...], now: Snapshot) -> Any:
        key = (task, now.made_at, *(one for one in given if one is not now.state))
        if key not in self._kept:
            if self._waiting >= _MOST_WAITING:
                raise ApiError(503, "busy", "others are waiting for work of this kind")
            self._waiting += 1
            try:
                async with self._turn, asyncio.timeout(_SECONDS):
                    if key not in self._kept:
                        self._kept[key] = await elsewhere(task, self.places, *given)
            except WorkError as error:
                status, code = _REFUSED.get(error.kind, (503, "lake_unreachable"))
                said = str(error) if error.kind in _REFUSED else "the work could not be done"
                raise ApiError(status, code, said) from None
            except TimeoutError:
                raise ApiError(503, "busy", "it took too long, and was given up") from None
            finally:
                self._waiting -= 1
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return self._kept.get(key)
