"""Two folders take each other's names in one step, where the system can do that."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_CURRENT_FOLDER = -100  # AT_FDCWD
_EXCHANGE = 2  # RENAME_EXCHANGE
_CANNOT = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}


def exchange(first: Path, second: Path) -> bool:
    """Let ``first`` and ``second`` take each other's names; nobody ever sees one of the names missing.

    Returns:
        False where the system or the file system cannot do that; nothing has changed then.

    Raises:
        OSError: it can, but did not.
    """
    rename = _renameat2()
    if rename is None:
        return False
    names = os.fsencode(first), os.fsencode(second)
    if rename(_CURRENT_FOLDER, names[0], _CURRENT_FOLDER, names[1], _EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _CANNOT:
        return False
    raise OSError(code, os.strerror(code), str(second))


def _renameat2() -> Any:
    """The function of the C library; None where it has none, as before glibc 2.28 and outside Linux."""
    if sys.platform != "linux":
        return None
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is not None:
        rename.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return rename
