"""Failures: an error raised on purpose ends its step with its one sentence, not a stack trace."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import dagster as dg

from asset_predict_dagster.errors import AssetPredictError

P = ParamSpec("P")
R = TypeVar("R")


def says_why(step: Callable[P, R]) -> Callable[P, R]:
    """Let a step that meets an `AssetPredictError` fail with the error's own sentence.

    Such an error says all there is to know, and trying again would not help. Any other error
    keeps its stack trace: it is a defect.
    """

    @wraps(step)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return step(*args, **kwargs)
        except AssetPredictError as error:
            # Dagster prints its own stack below a failure; the sentence stands before it, alone.
            dg.get_dagster_logger().error(str(error))
            raise dg.Failure(
                description=str(error),
                metadata={"error": type(error).__name__},
                allow_retries=False,
            ) from None

    return run
