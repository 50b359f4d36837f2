"""The terminal that the application draws on, by way of as few bytes as do."""

from __future__ import annotations

from textual.drivers.linux_driver import LinuxDriver

from tui.sparing import sparing


class SparingDriver(LinuxDriver):
    """A terminal that may be far away."""

    def write(self, data: str) -> None:
        super().write(sparing(data))
