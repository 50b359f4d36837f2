"""The screens in a browser on this machine."""

from __future__ import annotations

import os
import shlex
import socket
import sys
from collections.abc import Sequence

from restmcts.cli.web.door import HOST, Door
from restmcts.errors import InputError


def serve(arguments: Sequence[str], port: int) -> None:
    """Show what `restmcts ARGUMENTS` shows to one's own browser, until Ctrl-C.

    Args:
        arguments: those of the command that each page of the browser starts.
        port: the port on the loopback address.

    Raises:
        InputError: the extra `web` is not installed, or the port is taken.
    """
    try:
        from restmcts.cli.web.server import DoorServer
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
