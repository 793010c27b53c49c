"""Errors: every refusal has one shape, and nothing internal is in it.

    {"status": "error", "error": CODE, "message": text, "details": {...}}

| status | codes |
|---|---|
| 400 | `malformed`: not JSON, a field missing, unknown or of another type |
| 401, 403 | `key_missing`, `key_wrong`; `origin_refused`, `host_refused`, `client_refused` |
| 404 | `unknown_ticker`, `unknown_version`, `unknown_task`, `not_found` |
| 405, 408, 413 | `method_not_allowed`, `body_too_slow`, `body_too_large` |
| 429 | `too_many_requests`: with `Retry-After` |
| 409 | `already_queued` |
| 422 | `out_of_range`; a reason for which a ticker is refused: `stale_quote`, `late_data`, ...;
  `hindsight`: the version has learned from sessions after the one it would forecast;
  `stage_missing`, `nothing_trained`, `not_evaluated`: another step comes first; `run_refused` |
| 500 | `internal`: a defect; the log names the place. `run_failed`: Dagster's UI says why |
| 503 | `starting`, `no_data`, `no_model`, `dagster_unreachable`, `lake_unreachable`,
  `checks_failed`, `busy`, `stopping`: with `Retry-After` |
"""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from asset_predict_dagster.errors import is_out_of_range

RETRY_AFTER_SECONDS = 5

_CODES = {404: "not_found", 405: "method_not_allowed"}


class ApiError(Exception):
    """A refusal that a route or a guard decided on."""

    def __init__(
        self, status: int, code: str, message: str, details: Mapping[str, Any] | None = None
    ):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.details = dict(details or {})

    def response(self) -> JSONResponse:
        """The answer; of what may be over in a moment it says when to ask again."""
        headers = {"WWW-Authenticate": "ApiKey"} if self.status == 401 else {}
        if self.status in (429, 503):
            headers["Retry-After"] = str(self.details.get("retry_after", RETRY_AFTER_SECONDS))
        content = {
            "status": "error",
            "error": self.code,
            "message": self.message,
            "details": self.details,
        }
        return JSONResponse(content, self.status, headers)


def install_handlers(app: FastAPI) -> None:
    """Give every error of the app its shape."""
    app.add_exception_handler(ApiError, _of_ours)
    app.add_exception_handler(RequestValidationError, _of_the_request)
    app.add_exception_handler(HTTPException, _of_the_framework)


async def _of_ours(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return error.response()


async def _of_the_request(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = [
        {"field": ".".join(map(str, problem["loc"])), "problem": problem["msg"]}
        for problem in error.errors()
    ]
    said = "; ".join(f"{one['field']}: {one['problem']}" for one in problems[:3])
    # What was sent is not repeated: it may be long, and it may be a secret in a wrong place.
    if all(map(is_out_of_range, error.errors())):
        return ApiError(422, "out_of_range", said, {"problems": problems}).response()
    return ApiError(400, "malformed", said, {"problems": problems}).response()


async def _of_the_framework(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "malformed")
    said = {
        "not_found": "there is no such route; /swagger lists them",
        "method_not_allowed": f"this route does not take {request.method}",
    }
    answer = ApiError(error.status_code, code, said.get(code, "the request cannot be read"))
    response = answer.response()
    response.headers.update(error.headers or {})
    return response
