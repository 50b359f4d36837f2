"""`restmcts tui --serve`: the screens in a browser, for whoever has the key and nobody else."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from restmcts.cli.web.door import Door
from restmcts.cli.web.serving import in_browser
from tests.cli.commands import refused, restmcts, start_command
from tests.support.chromium import BROWSER, Chromium
from tests.tui.tui_support import write_demo


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str]]:
    """The port and the address of a server that shows a small store."""
    pytest.importorskip("textual_serve")
    root = tmp_path_factory.mktemp("store")
    write_demo(root)
    port = free_port()
    process = start_command("tui", "--serve", "--port", port, "--root", root)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/\?key=\S+", line)
        assert found is not None, line
        yield port, found.group()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, 130)
    finally:
        process.kill()
        process.communicate()


def asked(port: int, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(
            "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read().decode()
    finally:
        connection.close()


def test_only_who_has_the_key_comes_in(served: tuple[int, str]) -> None:
    port, address = served
    for path in ("/", "/ws", "/static/js/textual.js", "/?key=wrong"):
        status, _, text = asked(port, path)
        assert (status, text) == (403, "open the address that restmcts has printed\n"), path
    status, headers, _ = asked(port, address.partition(str(port))[2])
    cookie = headers["Set-Cookie"]
    assert status == 303 and headers["Location"] == "/"
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    inside = cookie.partition(";")[0]
    status, headers, text = asked(port, "/", Cookie=inside)
    assert status == 200 and "textual-terminal" in text
    assert headers["Content-Security-Policy"].startswith("default-src 'self';")
    for strange in ({"Host": f"evil.example:{port}"}, {"Origin": "https://evil.example"}):
        assert asked(port, "/ws", Cookie=inside, **strange)[0] == 403


def test_no_other_address_answers(served: tuple[int, str]) -> None:
    port, _ = served
    listening = Path("/proc/net/tcp").read_text().splitlines()[1:]
    places = [row.split()[1] for row in listening if row.split()[3] == "0A"]
    assert [place for place in places if place.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium")
def test_a_browser_shows_the_screens(served: tuple[int, str], tmp_path: Path) -> None:
    _, address = served
    with Chromium(tmp_path) as browser:
        browser.open(address)
        end = monotonic() + 60
        while "-first-byte" not in browser.run("document.body.className"):
            assert monotonic() < end, "nothing is shown"
        received = 0
        while received < 2000:
            assert monotonic() < end, "the screens do not come"
            browser.run("new Promise(done => setTimeout(done, 50))")
            frames = browser.told("Network.webSocketFrameReceived")
            received = sum(len(frame["response"]["payloadData"]) for frame in frames)
        asked_for = {told["request"]["url"] for told in browser.told("Network.requestWillBeSent")}
        sent = {told["response"]["url"] for told in browser.told("Network.responseReceived")}
        assert asked_for >= sent and all(url.startswith(address.partition("?")[0]) for url in sent)
        picture = os.environ.get("RESTMCTS_TEST_PICTURES")
        if picture:
            Path(picture, "serve.png").write_bytes(browser.picture())


def test_the_door() -> None:
    door = Door(8000)
    assert door.refusal("127.0.0.1:8000", None, door.key) is None
    assert door.refusal("127.0.0.1:8000", "http://127.0.0.1:8000", door.key) is None
    assert door.refusal("localhost:8000", None, door.key) == "open http://127.0.0.1:8000, not localhost:8000"
    assert door.refusal("127.0.0.1:8000", "null", door.key) is not None
    assert door.refusal("127.0.0.1:8000", None, None) is not None
    assert not door.knows("\udcff") and not door.knows("")
    assert Door(8000).key != door.key and len(door.key) >= 32


def test_the_terminal_is_asked_for_outside_of_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEXTUAL_DRIVER", raising=False)
    assert not in_browser()
    monkeypatch.setenv("TEXTUAL_DRIVER", "textual.drivers.web_driver:WebDriver")
    assert in_browser()


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    pytest.importorskip("textual_serve")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        message = refused("tui", "--serve", "--port", port, "--root", tmp_path)
    assert f"port {port}: Address already in use; choose another one with --port" in message


def test_a_store_that_is_not_there_is_refused_before_anything_is_served(tmp_path: Path) -> None:
    assert "no such folder" in refused("tui", "--serve", "--root", tmp_path / "nowhere")
    assert "no run 'nothing'" in refused("tui", "--serve", "--root", tmp_path, "nothing")


def test_without_the_extra_one_line_says_so(tmp_path: Path) -> None:
    hidden = tmp_path / "textual_serve.py"
    hidden.write_text(
        "raise ModuleNotFoundError(\"No module named 'textual_serve'\", name='textual_serve')\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    root = tmp_path / "store"
    root.mkdir()
    done = restmcts("tui", "--serve", "--root", root, code=2, PYTHONPATH=path)
    assert done.errors == 'error: the browser needs textual_serve: `pip install "restmcts[web]"`\n'
