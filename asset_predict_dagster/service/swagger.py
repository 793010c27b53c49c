"""The specification as YAML, and Swagger UI to read and try it: all from this server, offline too.

Swagger UI's files come with the package flask-swagger-ui, of which nothing else is used.
"""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response

from asset_predict_dagster.service.errors import ApiError
from asset_predict_dagster.service.schemas.examples import EXAMPLES
from asset_predict_dagster.service.security import KEY_OR_NONE

router = APIRouter(include_in_schema=False)

_FILES = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}

_CONTENT_SECURITY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline';"
    " frame-ancestors 'none'"
)
"""Scripts from here alone; Swagger UI writes styles into its elements."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Asset Predict: REST API</title>
<link rel="icon" href="/swagger/files/favicon-32x32.png">
<link rel="stylesheet" href="/swagger/files/swagger-ui.css">
</head>
<body>
<div id="routes"><p>The specification: <a href="/swagger/swagger.yml">swagger.yml</a></p></div>
<script src="/swagger/files/swagger-ui-bundle.js"></script>
<script src="/swagger/start.js"></script>
</body>
</html>
"""

_START = """window.SwaggerUIBundle({
  url: "/swagger/swagger.yml",
  dom_id: "#routes",
  deepLinking: true,
  validatorUrl: null,
});
"""


def specification_of(app: FastAPI) -> dict[str, Any]:
    """OpenAPI: what FastAPI makes of the routes, examples of the answers, and who needs a key."""
    spec = app.openapi()
    for name, example in EXAMPLES.items():
        spec["components"]["schemas"][name]["example"] = example
    if app.state.settings.api_key is None:
        for methods in spec["paths"].values():
            for route in methods.values():
                if "security" in route:
                    route.update(KEY_OR_NONE)
    return spec


@router.get("/swagger")
async def page() -> Response:
    """Swagger UI; where its files are not installed, a link to the specification."""
    return _sent(_PAGE, "text/html")


@router.get("/swagger/start.js")
async def start() -> Response:
    """What opens the specification in the page."""
    return _sent(_START, "text/javascript")


@router.get("/swagger/swagger.yml")
async def specification(request: Request) -> Response:
    """OpenAPI, as YAML."""
    import yaml

    state = request.app.state
    if getattr(state, "specification", None) is None:
        spec = specification_of(request.app)
        state.specification = yaml.safe_dump(spec, sort_keys=False, allow_unicode=True)
    return _sent(state.specification, "application/yaml")


@router.get("/swagger/files/{name}")
async def file(name: str) -> Response:
    """One of the files that the page names; no other can be asked for."""
    content = _content(name) if name in _FILES else None
    if content is None:
        raise ApiError(404, "not_found", "there is no such file")
    return _sent(content, _FILES[name])


@lru_cache(maxsize=len(_FILES))
def _content(name: str) -> bytes | None:
    package = find_spec("flask_swagger_ui")
    if package is None or package.origin is None:
        return None
    return (Path(package.origin).parent / "dist" / name).read_bytes()


def _sent(content: str | bytes, media_type: str) -> Response:
    headers = {"Content-Security-Policy": _CONTENT_SECURITY}
    return Response(content, media_type=media_type, headers=headers)
