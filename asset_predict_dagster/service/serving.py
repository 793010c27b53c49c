"""Serving: uvicorn, at whose end nobody is left waiting for a run."""

import socket

import uvicorn
from fastapi import FastAPI

_SECONDS_TO_STOP = 10
"""For what is being answered; beyond, it is given up."""


class Server(uvicorn.Server):
    """The app's server, from `run` until a signal ends it."""

    def __init__(self, app: FastAPI):
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                # Whoever claims to ask for somebody else is not believed.
                proxy_headers=False,
                timeout_graceful_shutdown=_SECONDS_TO_STOP,
            )
        )
        self._launcher = app.state.launcher

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new requests, and finish those that are there."""
        self._launcher.wait_no_longer()
        await super().shutdown(sockets)
