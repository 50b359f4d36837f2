"""The screens in a browser on this machine."""

from __future__ import annotations

import os
import secrets
import shlex
import socket
import sys
from collections.abc import Sequence
from hmac import compare_digest

from restmcts.errors import InputError

HOST = "127.0.0.1"
"""No other machine can reach this address; `ssh -L` leads there from one's own."""

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; font-src 'self' data:; connect-src 'self' ws://{host};"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load: nothing from other places, whatever its template names."""


class Door:
    """Who may come in: who opened the address with the key, from a page of this server.

    The address alone protects nothing: every user of this machine reaches it, and so does every page that is
    open in the browser.
    """

    def __init__(self, port: int) -> None:
        self.host = f"{HOST}:{port}"
        self.cookie = f"restmcts-{port}"
        self.key = secrets.token_urlsafe(24)

    @property
    def address(self) -> str:
        """What the user opens."""
        return f"http://{self.host}/?key={self.key}"

    def knows(self, key: str | None) -> bool:
        return key is not None and compare_digest(key.encode("utf-8", "replace"), self.key.encode())

    def refusal(self, host: str, origin: str | None, key: str | None) -> str | None:
        """Why a request is refused; None: it is not.

        Args:
            host: the name by which the server was called.
            origin: the page that calls, if the browser says so.
            key: the key that the caller has.
        """
        if host != self.host:
            return f"open http://{self.host}, not {host}"
        if origin not in (None, f"http://{self.host}"):
            return "only pages of this server may call it"
        return None if self.knows(key) else "open the address that restmcts has printed"


def serve(arguments: Sequence[str], port: int) -> None:
    """Show what `restmcts ARGUMENTS` shows to one's own browser, until Ctrl-C.

    Args:
        arguments: those of the command that each page of the browser starts.
        port: the port on the loopback address.

    Raises:
        InputError: the extra `web` is not installed, or the port is taken.
    """
    try:
        from restmcts.cli.web_server import DoorServer
    except ModuleNotFoundError as error:
        raise InputError(f'the browser needs {error.name}: `pip install "restmcts[web]"`') from error
    _check_port(port)
    command = shlex.join([sys.executable, "-m", "restmcts", *arguments])
    DoorServer(command, Door(port), port).serve()


def in_browser() -> bool:
    """Whether this process was started by :func:`serve`, and has a browser instead of a terminal."""
    return os.environ.get("TEXTUAL_DRIVER", "").startswith("textual.drivers.web_driver:")


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InputError(f"port {port}: {error.strerror}; choose another one with --port") from error
