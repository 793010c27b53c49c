"""Heavy work in a process of its own: pandas, ONNX and what reading a lake takes are gone after.

A damaged file that ends the process ends nothing else, and requests never wait behind it.
"""

import asyncio
import pickle
import sys
from importlib import import_module
from typing import Any

from asset_predict_dagster.errors import AssetPredictError
from asset_predict_dagster.service.redaction import Places, in_a_line

BUILD, BUILD_AT = "building:build_current", "building:build_snapshot"
BUILD_VERSION = "building:build_version"
DRIFT = "drift:drift_of"
LOADED, PREPROCESSED, SPLIT = "stages:loaded", "stages:preprocessed", "stages:split"
EVALUATED, DECIDED = "trained:evaluated", "trained:decided"
"""What can be done: `module:function` of this package, which is imported where it is done."""


class WorkError(AssetPredictError):
    """Work in another process failed; `kind` is the name of the error there."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


async def elsewhere(task: str, places: Places, *given: Any) -> Any:
    """What `task` returns for `(places, *given)`, from a process that ends with the awaiting task.

    Raises
    ------
    WorkError
        If it raised, or if the process ended without an answer. No path is in the message.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        said, _ = await process.communicate(pickle.dumps((task, places, given)))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise WorkError("Ended", f"the process ended with code {process.returncode}")
    failed, answer = pickle.loads(said)
    if failed:
        raise WorkError(*failed)
    return answer


def main() -> None:
    """Do what standard input says and write the answer to standard output."""
    task, places, given = pickle.load(sys.stdin.buffer)
    module, name = task.split(":")
    failed, answer = None, None
    try:
        answer = getattr(import_module(f"{__package__}.{module}"), name)(places, *given)
    except Exception as error:  # whatever it is, the server goes on with what it has
        failed = type(error).__name__, in_a_line(error, places)
    sys.stdout.buffer.write(pickle.dumps((failed, answer)))


if __name__ == "__main__":
    main()
