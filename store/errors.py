"""The one exception family of the project.

Everything that restmcts raises on purpose is a :class:`RestmctsError`. Commands turn it into one line
and an exit code; anything else is a defect and shows as one.
"""

from __future__ import annotations


class RestmctsError(Exception):
    """A failure with an explanation for the person at the keyboard.

    The message says what is wrong and where (file, line, key), and what to do about it.
    """

    exit_code = 1


class InputError(RestmctsError):
    """What the user gave cannot be used: a file, a recipe, an option, a model folder."""

    exit_code = 2


class StoreError(RestmctsError):
    """The experiment store cannot be read or written."""


class UnstorableError(StoreError):
    """A record holds something that the files of a store cannot hold."""


class BusyError(StoreError):
    """Another program holds what is needed; the same call can be made again later."""


class InterruptedReadError(StoreError):
    """A query was given up, because nobody waits for its rows any more."""
