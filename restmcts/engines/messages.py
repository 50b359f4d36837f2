"""Keeps libraries from printing, and shortens what they raise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from restmcts.errors import InputError, RestmctsError


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from printing: no progress bars, only errors."""
    from transformers import utils

    logging: Any = utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def first_line(error: BaseException) -> str:
    """The first line of an error message; the name of its class where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn what libraries raise about a folder, of any kind, into one line that begins with ``what``.

    Raises:
        InputError: the block raised an exception.
    """
    try:
        yield
    except RestmctsError:
        raise
    except Exception as error:
        raise InputError(f"{what}: {first_line(error)}") from error
