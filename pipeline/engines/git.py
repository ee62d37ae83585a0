"""What the tasks ask of Git: files and the revision. Nothing here changes the user's branch, index or work tree."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pipeline import process
from pipeline.paths import ROOT


def files(*patterns: str, root: Path = ROOT) -> list[Path]:
    """The files that are tracked, or untracked and not ignored, and that exist; sorted, absolute.

    Args:
        patterns: Git path patterns such as ``*.py`` or ``app/``; none means all.
    """
    listed = process.capture(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=root,
    )
    found = {root / name for name in listed.split("\0") if name}
    return sorted(path for path in found if path.is_file())


def revision(root: Path = ROOT) -> str:
    """The full commit id of HEAD."""
    return process.capture(["git", "rev-parse", "HEAD"], cwd=root).strip()


def is_dirty(root: Path = ROOT) -> bool:
    """Whether the work tree differs from HEAD (untracked files count)."""
    return bool(process.capture(["git", "status", "--porcelain"], cwd=root).strip())


def content_key(paths: Sequence[Path], *extra: str, root: Path = ROOT) -> str:
    """A SHA-256 over names and contents of files, and over further words; the same work tree gives the same key."""
    digest = hashlib.sha256()
    for word in extra:
        digest.update(f"{word}\0".encode())
    for path in sorted(paths):
        digest.update(f"{path.relative_to(root)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
