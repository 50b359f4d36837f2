"""Write the picture of a replay that the README shows: `python -m docs.pictures.replay --root demo-store`.

The picture is an SVG of the replay screen. The fonts that Textual names by address are left out, so that the
picture asks for nothing over the network.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from store.index.reader import StoreReader
from tui.app import StoreApp
from tui.taking import without_fonts

PICTURE = Path(__file__).with_name("replay.svg")
SIZE = (116, 30)
"""Columns and rows of the terminal."""


async def screenshot(root: Path, run: str, tree: str, event: int) -> str:
    """The replay screen of a stored search as SVG, after the first ``event`` events."""
    with StoreReader(root) as reader:
        app = StoreApp(reader, run, tree)
        async with app.run_test(size=SIZE) as pilot:
            await app.workers.wait_for_complete()
            await pilot.press("g", *str(event), "enter")
            await app.workers.wait_for_complete()
            await pilot.pause()
            return app.export_screenshot(title="restmcts tui")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("demo-store"), help="store of `make demo`")
    parser.add_argument("--run", default="tiny")
    parser.add_argument("--tree", default="1.search/31", help="PHASE/NUMBER of the search")
    parser.add_argument("--event", type=int, default=173, help="how many events to show")
    chosen = parser.parse_args()
    svg = asyncio.run(screenshot(chosen.root, chosen.run, chosen.tree, chosen.event))
    PICTURE.write_text(without_fonts(svg), "utf-8")


if __name__ == "__main__":
    main()
