"""The app: routes around a snapshot, guards around the routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from asset_predict_dagster import __version__
from asset_predict_dagster.service import swagger
from asset_predict_dagster.service.access import Access, Latency
from asset_predict_dagster.service.checks import DagsterChecks
from asset_predict_dagster.service.errors import install_handlers
from asset_predict_dagster.service.launching import Launcher
from asset_predict_dagster.service.others import Others
from asset_predict_dagster.service.redaction import Places
from asset_predict_dagster.service.refresher import Refresher
from asset_predict_dagster.service.routes import assets, b3, models, steps, trainings, v1
from asset_predict_dagster.service.runs import DagsterRuns
from asset_predict_dagster.service.security import Guard, KeyRing
from asset_predict_dagster.settings import Settings

DESCRIPTION = """Brazilian stocks from B3's files to predictions for the next sessions.

Every prediction says whether its model has shown skill out of sample (`model_status`). A ticker
that cannot be forecast honestly is refused with a reason. Errors have one shape.
"""


def create_app(settings: Settings) -> FastAPI:
    """The REST API on one environment's lake and models.

    It reads nothing before it is served. What it is given in `app.state`: `refresher` (the
    snapshot), `launcher` (Dagster's runs), `others` (work elsewhere), `latency`, `keys`,
    `settings`. A route that starts a run takes `Depends(security.require_key)`.
    """
    places = Places.of(settings)
    key = settings.api_key.get_secret_value() if settings.api_key else None

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        app.state.refresher.start()
        yield
        await app.state.refresher.stop()

    app = FastAPI(
        title="Asset Predict",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # The address in a redirect would be the one that the caller claims.
        redirect_slashes=False,
        lifespan=life,
    )
    app.state.settings = settings
    checks = DagsterChecks(settings.dagster_url)
    expires_after = timedelta(days=settings.model_expires_after_days)
    app.state.refresher = Refresher(places, expires_after, settings.as_of, checks)
    app.state.launcher = Launcher(DagsterRuns(settings.dagster_url), checks, places)
    app.state.others = Others(places, expires_after)
    app.state.latency = Latency()
    app.state.keys = KeyRing(key)
    install_handlers(app)
    for router in (
        b3.router,
        steps.router,
        trainings.router,
        v1.router,
        trainings.tasks,
        assets.router,
        steps.scheduled,
        swagger.router,
    ):
        app.include_router(router)
    app.include_router(models.router, prefix="/models")
    app.include_router(models.router, prefix="/api/models")

    # The one added last is the outermost.
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Content-Type", "X-API-Key"],
        )
    app.add_middleware(
        Guard,
        has_key=key is not None,
        origins=settings.cors_origins,
        requests_a_second=settings.requests_a_second,
    )
    app.add_middleware(Access, latency=app.state.latency, places=places)
    return app
