"""What is remembered of one use of the screens for the next: the theme."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from platformdirs import user_state_path

from store.errors import RestmctsError

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST = 100


def theme_file() -> Path:
    """Where the theme of the user is remembered: ``theme`` in the state folder of restmcts."""
    return user_state_path("restmcts") / "theme"


@dataclass(frozen=True, slots=True)
class ThemeMemory:
    """Remembers the name of a theme in ``file``."""

    file: Path

    def read(self) -> str | None:
        """The name that was remembered last; None without one, or where the file cannot be read."""
        try:
            return self.file.read_text("utf-8")[:_LONGEST].strip() or None
        except (OSError, UnicodeDecodeError):
            return None  # a theme that is not found again is chosen again

    def write(self, name: str) -> None:
        """Remember ``name``.

        Raises:
            RestmctsError: the file cannot be written.
        """
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.write_text(f"{name}\n", "utf-8")
        except OSError as error:
            raise RestmctsError(f"the theme is not remembered: {error}") from error
