"""Which file system a folder is on."""

from __future__ import annotations

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")

_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\w*|afs|ceph|lustre|gpfs|beegfs|ocfs2|gfs2|glusterfs|orangefs|ncpfs|9p|virtiofs"
    r"|fuse\.(sshfs|glusterfs|ceph|s3fs|gcsfuse|rclone|juicefs|moosefs|mfs|davfs\w*)"
)


def is_on_network(folder: Path, mounts: Path = MOUNTS) -> bool:
    """Whether ``folder`` is on a file system that other machines may share.

    False where that cannot be found out.

    Args:
        mounts: the table of mounts, as Linux has it.
    """
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return False
    wanted = folder.resolve()
    found = {_plain(words[1]): words[2] for words in map(str.split, lines)}
    above = (found.get(str(place)) for place in (wanted, *wanted.parents))
    return _NETWORK.fullmatch(next((kind for kind in above if kind is not None), "")) is not None


def _plain(point: str) -> str:
    """A mount point without the octal escapes of the table, such as ``\\040`` for a space."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)
