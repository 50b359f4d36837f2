"""The server of the screens: that of textual-serve, behind a door. Needs the extra `web`."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from textual_serve.server import Server

from restmcts.cli.output.text import say
from restmcts.cli.web.door import HOST, POLICY, Door


class DoorServer(Server):
    """Serves ``command`` on the loopback address to those whom ``door`` lets in."""

    def __init__(self, command: str, door: Door, port: int) -> None:
        super().__init__(command, host=HOST, port=port, title="restmcts")
        self._door = door

    def serve(self, debug: bool = False) -> None:
        """Serve until Ctrl-C; the address is printed as soon as it answers."""
        logging.basicConfig(level=logging.ERROR)
        web.run_app(self._make_app(), host=self.host, port=self.port, print=self._announce)

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._guard())
        return app

    def _guard(self) -> Middleware:
        door = self._door

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            given = request.query.get("key") if request.path == "/" else None
            key = given or request.cookies.get(door.cookie)
            refusal = door.refusal(request.host, request.headers.get("Origin"), key)
            if refusal is not None:
                return web.Response(status=403, text=f"{refusal}\n")
            if given is not None:
                return _entered(door)
            response = await handler(request)
            if not response.prepared:
                response.headers["Content-Security-Policy"] = POLICY.format(host=door.host)
                response.headers["Referrer-Policy"] = "no-referrer"
            return response

        return guard

    async def on_startup(self, app: web.Application) -> None:
        pass  # that of textual-serve prints an address without a key

    def _announce(self, _: str) -> None:
        port = self.port
        say(f"open {self._door.address}")
        say(f"from another machine: ssh -L {port}:{HOST}:{port} THIS-MACHINE, then the same address")
        say("Ctrl-C ends it")


def _entered(door: Door) -> web.Response:
    """The key becomes a cookie, so that it stands neither in the history nor in what others can see."""
    response = web.Response(status=303, headers={"Location": "/"})
    response.set_cookie(door.cookie, door.key, httponly=True, samesite="Strict")
    return response
