"""`restmcts report`: a page, Markdown, JSON and CSV of any run; nothing that a model wrote is obeyed."""

from __future__ import annotations

import csv
import html.parser
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from restmcts.cli.report.markdown import markdown_text
from restmcts.cli.report.page import html_page
from restmcts.cli.report.rows import csv_text
from restmcts.cli.report.sections import groups
from restmcts.evaluation.report.content import Report, RunLine
from restmcts.evaluation.report.figures import pictures
from store.events import SearchRecord
from tests.cli.commands import refused, restmcts
from tests.evaluation.test_evaluation_report import HOSTILE, ended, report
from tests.store.build import fill, open_run, record

BOMBS = [
    '"><script>alert(1)</script><img src=x onerror=alert(2)>',
    "{{ 7 * 7 }}{% for x in range(10**9) %}x{% endfor %}",
    "$\\def\\a{\\a\\a}\\a$ \\input{/etc/passwd}",
    "\x1b]0;owned\x07\u202e",
    "x" * 1_000_000,
    "=HYPERLINK(1)",
]


class Tags(html.parser.HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def check_page(page: str) -> Tags:
    """The page is whole, asks the network for nothing and runs nothing."""
    found = Tags(page)
    assert found.open == []
    names = {tag for tag, _ in found.tags}
    assert not names & {"script", "link", "iframe", "object", "embed", "form", "base", "svg"}
    for tag, attributes in found.tags:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        for name in ("src", "href"):
            address = attributes.get(name) or "#"
            assert address.startswith(("#", "data:image/svg+xml;base64,")), address[:80]
    assert not re.search(r"url\(|@import", page)
    return found


def hostile_report() -> Report:
    searches = [
        replace(
            ended(f"p{number}", "failed"), problem=(text, text), answer=text, oracle=text, method=text[:99]
        )
        for number, text in enumerate(BOMBS)
    ]
    run = RunLine("<b>", "/a b/'c", "first; rm -rf", "<i>", 1, "unfinished", "now", "0")
    return replace(report(HOSTILE + BOMBS[:1], searches), runs=(run,))


def test_what_models_wrote_is_shown_and_never_obeyed() -> None:
    found = hostile_report()
    page = html_page(found, pictures(found), "today")
    text = check_page(page).text
    assert "<script>alert(1)</script>" in text and "{{ 7 * 7 }}" in text
    assert "\x1b" not in page and "\u202e" not in page and "\x00" not in page
    assert max(map(len, re.findall("x+", text))) <= 1000, "huge texts are cut"
    assert len(page) < 1_500_000
    marked = markdown_text(found, "today")
    assert "<script" not in marked.replace("\\<", "") and "\x1b" not in marked and len(marked) < 200_000
    assert "\n'=HYPERLINK" not in csv_text(found)
    assert "arm,\"'=" not in csv_text(found)


def test_commands_can_be_copied_whatever_runs_are_called() -> None:
    (group,) = groups(hostile_report())
    assert group.replays[0].show == ("restmcts show 'first; rm -rf/1.evaluate/p0' --root '/a b/'\"'\"'c'")
    assert group.replays[0].replay == ("restmcts tui 'first; rm -rf/1.evaluate/p0' --root '/a b/'\"'\"'c'")


def test_the_parts_of_a_page() -> None:
    """Equal reports are equal pages, and each part is there in its order."""
    found = report(["mcts", "ours"], [ended("hard", "wrong")])
    found = replace(found, runs=(RunLine("r", "store", "r", "tiny", 1, "done", "2026-01-01", "0.1"),))
    page = html_page(found, pictures(found), "today")
    assert page == html_page(found, pictures(found), "today")
    tags = check_page(page)
    headings = re.findall(r"<h2[^>]*>([^<]*)</h2>", page)
    assert headings == [
        "What the figures show",
        "What could not be read",
        "Methods at equal budgets",
        "Iterations",
        "Verdicts",
        "Calibration",
        "Cost",
        "How searches ended",
        "Settings",
        "Runs",
        "Problems to look at",
    ]
    anchors = {attributes["id"] for _, attributes in tags.tags if "id" in attributes}
    assert {str(a["href"])[1:] for tag, a in tags.tags if tag == "a"} <= anchors
    assert "no difference shown between mcts and ours" in tags.text
    assert "restmcts show r/1.evaluate/hard --root store" in tags.text
    pictured = [attributes for tag, attributes in tags.tags if tag == "img"]
    assert len(pictured) == 3 and all(attributes["alt"] for attributes in pictured)
    marked = markdown_text(found, "today")
    assert [line[3:] for line in marked.splitlines() if line.startswith("## ")] == headings


def test_the_report_of_a_small_run(store: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    table = tmp_path / "accuracies.csv"
    done = restmcts("report", "small", "--root", store, "--to", tmp_path / "out", "--csv", table, "--json")
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    text = check_page(page).text
    assert "self-consistency" in text and "restmcts tui small/" in text and f" --root {store}" in text
    assert "# small" in (tmp_path / "out" / "report.md").read_text("utf-8")
    found = json.loads(done.output)
    rows = list(csv.DictReader(io.StringIO(table.read_text("utf-8"))))
    assert len(rows) == len(found["arms"]["accuracies"]) + len(found["methods"]["accuracies"])
    ended_in = [row for row in found["failures"] if row["phase"] == "0.search"]
    assert sum(row["searches"] for row in ended_in) == 40
    assert sum(row["right"] + row["wrong"] + row.get("no answer", 0) for row in ended_in) == 40
    assert {curve["kind"] for curve in found["calibration"]} >= {"value"}


def hostile_search(number: int, text: str) -> SearchRecord:
    """A failed search in a phase of its own, with a hostile question and answer."""
    one = record(number, "2.search", question=text, problem=text[:50])
    return replace(one, result=replace(one.result, answer=text, reason="failed"))


def test_runs_without_evaluations_have_a_report(tmp_path: Path) -> None:
    """A run that is still written, with hostile text in it."""
    root = tmp_path / "store"
    with open_run(root) as writer:
        fill(writer)
        writer.start_phase("2.search", "search", 2)
        writer.add_tree(hostile_search(7, BOMBS[0]))
        writer.add_tree(hostile_search(8, BOMBS[3]))
        writer.sync_index()
        restmcts(
            "report", "first", "--root", root, "--to", tmp_path / "a.html", "--markdown", tmp_path / "b.md"
        )
    text = check_page((tmp_path / "a.html").read_text("utf-8")).text
    assert "first is unfinished" in text and "1.search" in text
    assert (tmp_path / "b.md").is_file() and not (tmp_path / "a.md").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing",), "no run 'nothing'"),
        (("small", "--to", "a.pdf"), "ends in .html"),
        (("small", "--against", "mctz"), "there are small"),
    ],
)
def test_bad_input_is_named(store: Path, arguments: tuple[str, ...], message: str) -> None:
    assert message in refused("report", *arguments, "--root", store)


def test_a_browser_opens_the_page_without_a_network(tmp_path: Path) -> None:
    """Chromium, where there is one: the page is laid out, its pictures have a size, nothing runs."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no browser")
    found = hostile_report()
    page = tmp_path / "report.html"
    page.write_text(html_page(found, pictures(found), "today"), "utf-8")
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND")
    shown = subprocess.run(
        [browser, *flags, f"--user-data-dir={tmp_path}/profile", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    assert check_page(shown).text.count("Verdicts") >= 1
