"""The command that serves the REST API."""

import importlib.util
import logging
import socket
from contextlib import suppress
from typing import Annotated

import typer

from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.settings import load_settings

app = typer.Typer()


@app.command()
def serve(
    host: Annotated[str, typer.Option("--host", help="Who can reach it.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=1, max=65_535, help="Where it listens.")
    ] = 5000,
) -> None:
    """Serve the REST API: predictions, models, quotes; /swagger lists the routes.

    Example: asset-predict serve --port 8080

    It runs until ctrl-c, and finishes what it is answering; who waits for a run is told that it
    goes on. Every answer is a line of JSON on stderr. Addresses other than this machine's own need
    ASSET_PREDICT_API_KEY.
    """
    if importlib.util.find_spec("fastapi") is None or importlib.util.find_spec("uvicorn") is None:
        raise SettingsError(
            "the REST API needs FastAPI and uvicorn; pip install 'asset-predict-dagster[api]'"
        )
    from asset_predict_dagster.service.app import create_app
    from asset_predict_dagster.service.security import is_loopback
    from asset_predict_dagster.service.serving import Server

    settings = load_settings()
    if settings.api_key is None and not is_loopback(host):
        raise SettingsError(
            f"without ASSET_PREDICT_API_KEY only this machine is served, and {host} is reached from"
            " others; set the key, or leave --host at 127.0.0.1"
        )
    # Beside the day's file, if ENABLE_LOGS asked for one; not at the root, where `main` logs too.
    terminal = logging.StreamHandler()
    terminal.setFormatter(logging.Formatter("%(message)s"))
    for name, level in (
        ("asset_predict_dagster.service", logging.INFO),
        ("uvicorn", logging.WARNING),
    ):
        logging.getLogger(name).setLevel(level)
        logging.getLogger(name).addHandler(terminal)
    server = Server(create_app(settings))
    with _listening(host, port) as listening:
        shown = f"[{host}]" if ":" in host else host
        print(f"http://{shown}:{port}/swagger    (ctrl-c ends it)", flush=True)
        # Once it has ended, uvicorn hands on the ctrl-c that ended it.
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise SettingsError(
            f"{host}:{port} is in use or not this machine's ({error.strerror}); end what listens"
            " there, or choose another --port"
        ) from error
