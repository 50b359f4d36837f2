"""What can be taken out of a screen: to the clipboard, into an editor, as a picture, as a file."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ClassVar

from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.screen import Screen

from store.errors import RestmctsError
from store.files.atomic import replace_file
from tui.text import label, safe_text
from tui.widgets.lines import LinesPane

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}\s*")

LONGEST_COPY = 100_000
"""Characters that are copied at most: terminals refuse more."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a screen has to take at this moment.

    Attributes:
        what: its name in words, such as ``the command``.
        copy: what goes to the clipboard.
        text: what an editor opens.
    """

    what: str
    copy: str
    text: str


def command(*words: str) -> str:
    """A command line that can be pasted: words are quoted, and none acts before it is read."""
    return shlex.join(safe_text(word, one_line=True) for word in words)


def without_fonts(svg: str) -> str:
    """A picture of a screen without the addresses of fonts; every renderer keeps its spaces."""
    plain = _FONT_FACE.sub("", svg).replace("Fira Code, monospace", "monospace")
    return plain.replace("<svg ", '<svg xml:space="preserve" ', 1)


def editor(environment: Mapping[str, str]) -> list[str]:
    """The words of the user's editor or pager: ``VISUAL``, ``EDITOR``, ``PAGER``, or what there is."""
    for name in ("VISUAL", "EDITOR", "PAGER"):
        if environment.get(name, "").strip():
            return shlex.split(environment[name])
    return ["less"] if shutil.which("less") else ["vi"]


def read_in(words: Sequence[str], text: str) -> None:
    """Open ``text`` in a program, and wait until it is closed; what is changed there is lost.

    Raises:
        OSError: the program cannot be started.
    """
    with TemporaryDirectory(prefix="restmcts-") as folder:
        path = Path(folder) / "text.txt"
        path.write_text(text, "utf-8", errors="replace")
        subprocess.run([*words, str(path)], check=False)


class TakingScreen(Screen[None]):
    """A screen from which something can be taken: :meth:`taken` says what."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "Copy", tooltip="Copy what the cursor is on", show=False, id="take.copy"),
        Binding("E", "edit", "Open the text in $EDITOR or $PAGER", show=False, id="take.edit"),
        Binding("S", "picture", "Save a picture of the screen", show=False, id="take.picture"),
    ]

    def taken(self) -> Taken | None:
        """What can be taken now; None: nothing."""
        return None

    def action_copy(self) -> None:
        taken = self.taken()
        if taken is None:
            self.tell("nothing to copy here", bad=True)
        elif len(taken.copy) > LONGEST_COPY:
            self.tell(f"{taken.what} is too long for the clipboard: E opens it", bad=True)
        else:
            self.app.copy_to_clipboard(taken.copy)
            self.tell(f"copied {taken.what}: {label(taken.copy, 60)}")

    def action_edit(self) -> None:
        taken = self.taken()
        focused = self.focused
        text = focused.text if isinstance(focused, LinesPane) else None if taken is None else taken.text
        if text is None:
            self.tell("no text to open here", bad=True)
            return
        try:
            words = editor(os.environ)
            with self.app.suspend():
                read_in(words, text)
        except SuspendNotSupported:
            self.tell("no editor can be opened from here; y copies", bad=True)
        except (OSError, ValueError) as error:
            self.tell(f"the editor does not start: {error}; set EDITOR or PAGER", bad=True)
        self.refresh()

    def action_picture(self) -> None:
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"restmcts-{self.title}").strip("-.")[:100]
        self.hand_over(f"{name}.svg", without_fonts(self.app.export_screenshot(title="restmcts tui")))

    def hand_over(self, name: str, text: str) -> None:
        """Give the user a file: in the folder where the program was started, or as a download."""
        if self.app.is_web:
            self.app.deliver_text(StringIO(text), save_filename=name)
            return
        path = Path.cwd() / name
        try:
            replace_file(path, [text.encode("utf-8", errors="replace")])
        except RestmctsError as error:
            self.tell(str(error), bad=True)
        else:
            self.tell(f"wrote {path}")

    def tell(self, message: str, *, bad: bool = False) -> None:
        """Say ``message`` for some seconds."""
        shown = safe_text(message, one_line=True, limit=300)
        self.notify(shown, markup=False, severity="warning" if bad else "information", timeout=6)
