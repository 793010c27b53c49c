"""The command that opens MLflow's UI on the project's registry."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from asset_predict_dagster.errors import RegistryError, SettingsError
from asset_predict_dagster.registry.mlflow_database import artifacts_folder
from asset_predict_dagster.settings import load_settings

app = typer.Typer()

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_PAGE = "#/experiments?workflowType=machine_learning"
"""Without the last word MLflow shows what it has for language models."""

_SECONDS_TO_STOP = 10
_SECONDS_BETWEEN_LOOKS = 0.2


@app.command()
def monitor(
    port: Annotated[
        int, typer.Option("--port", min=1, max=65_535, help="Where it listens.")
    ] = 5001,
    host: Annotated[str, typer.Option("--host", help="Who can reach it.")] = "127.0.0.1",
) -> None:
    """Open MLflow's UI: trainings, their curves and figures, the versions.

    Example: asset-predict monitor --port 5002

    It runs until ctrl-c. Other addresses than this machine's own are for networks whose people may
    all change and delete what it shows.
    """
    database = load_settings().registry_database
    if not database.exists():
        raise RegistryError(
            f"there is no registry {database}, so no model has been trained; run the job"
            " complete_pipeline, or point ASSET_PREDICT_DATA at the folder of one that has"
        )
    _refuse_taken(host, port)
    if host not in _LOOPBACK:
        print(
            f"asset-predict: whoever reaches {host}:{port} can change and delete what it shows;"
            " MLflow asks for no password",
            file=sys.stderr,
        )
    print(f"Opening {database} with MLflow ...", flush=True)
    # A group of its own: ctrl-c is for this process, which then ends all of the server's.
    server = subprocess.Popen(
        _server_command(database, host, port),
        env={**os.environ, **_VARIABLES},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    # A shell starts what it puts into the background deaf to ctrl-c.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, _as_ctrl_c)
    try:
        if _is_up(server, host, port):
            print(f"{_address(host, port)}/{_PAGE}    (ctrl-c ends it)", flush=True)
        code = server.wait()
    except KeyboardInterrupt:
        return
    finally:
        _end(server)
    raise RegistryError(
        f"MLflow's server ended by itself with code {code}; what it said stands above"
    )


_VARIABLES = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "PYTHONWARNINGS": "ignore",
    # A queue for judging language models, in processes of its own.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


def _server_command(database: Path, host: str, port: int) -> list[str]:
    address = f"sqlite:///{database.resolve()}"
    options = {
        "--backend-store-uri": address,
        "--registry-store-uri": address,
        # The database says of artefacts only that the server has them: so a folder can be moved.
        "--artifacts-destination": str(artifacts_folder(database).resolve()),
        "--host": host,
        "--port": str(port),
        "--workers": "1",
        "--uvicorn-opts": "--log-level warning",
    }
    return [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        *(w for pair in options.items() for w in pair),
    ]


def _refuse_taken(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as there:
            there.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            there.bind((host, port))
    except OSError as error:
        raise SettingsError(
            f"{host}:{port} is in use or not this machine's ({error.strerror}); end what listens"
            " there, or choose another --port"
        ) from error


def _is_up(server: subprocess.Popen, host: str, port: int) -> bool:
    """Wait until the server answers; False if it ended before."""
    health = f"{_address(host, port)}/health"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while server.poll() is None:
        with suppress(urllib.error.URLError, OSError):
            direct.open(health, timeout=2).close()
            return True
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return False


def _address(host: str, port: int) -> str:
    """Where this machine reaches what listens on `host`."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{reachable}]' if ':' in reachable else reachable}:{port}"


def _as_ctrl_c(*_: object) -> None:
    raise KeyboardInterrupt


def _end(server: subprocess.Popen) -> None:
    """End the server and whatever it started."""
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
    try:
        server.wait(_SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()
