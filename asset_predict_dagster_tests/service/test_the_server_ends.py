"""The server ends: who waits for a run is told that it goes on, and nobody is cut off."""

import asyncio
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx

from asset_predict_dagster.service import serving
from asset_predict_dagster.service.app import create_app
from asset_predict_dagster.service.schemas.steps import Started
from asset_predict_dagster.settings import load_settings
from asset_predict_dagster_tests.service.asking import refused, until
from asset_predict_dagster_tests.service.running import NOBODY, PATIENCE, served
from asset_predict_dagster_tests.service.takes_runs import RUN, takes_runs


def test_who_waits_for_a_run_when_the_server_ends_is_told_that_it_goes_on(tmp_path):
    with takes_runs() as dagster, ThreadPoolExecutor() as pool:
        settings = {"ASSET_PREDICT_DAGSTER_URL": dagster.url}
        with served(tmp_path, tmp_path / "data", until=503, **settings) as server:
            waiting = pool.submit(server.client.post, "/api/b3/preprocess-data")
            until(lambda: dagster.done == ["launched"])
            server.process.terminate()
            answer = waiting.result(PATIENCE)
            server.process.wait(PATIENCE)
    assert answer.status_code == 202, answer.text
    assert Started.model_validate(answer.json()).run_id == RUN
    log = server.log.read_text()
    assert "Traceback" not in log
    last = json.loads([line for line in log.splitlines() if line.startswith("{")][-1])
    assert (last["kind"], last["route"], last["status"]) == (
        "access",
        "/api/b3/preprocess-data",
        202,
    )


def test_what_is_given_up_at_the_end_is_refused_in_the_one_shape(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(serving, "_SECONDS_TO_STOP", 1)
    app, begun = create_app(load_settings(data=tmp_path, dagster_url=NOBODY)), threading.Event()

    @app.get("/endless")
    async def endless() -> None:
        begun.set()
        await asyncio.sleep(PATIENCE)

    server = serving.Server(app)
    with (
        socket.create_server(("127.0.0.1", 0)) as there,
        ThreadPoolExecutor() as pool,
        caplog.at_level("INFO"),
    ):
        running = pool.submit(server.run, [there])
        url = f"http://127.0.0.1:{there.getsockname()[1]}/endless"
        waiting = pool.submit(httpx.get, url, timeout=PATIENCE)
        assert begun.wait(PATIENCE)
        server.should_exit = True
        answer = waiting.result(PATIENCE)
        running.result(PATIENCE)
    assert refused(answer) == (503, "stopping")
    assert '"route": "/endless", "status": 503' in caplog.text
    assert "Traceback" not in caplog.text
