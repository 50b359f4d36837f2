"""Who may look at the screens in a browser, and what their page may load."""

from __future__ import annotations

import secrets
from hmac import compare_digest

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
