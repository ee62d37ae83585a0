"""Groups of the fast tests, and the files that decide about each group's outcome (``tools/tests.yaml``)."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.core import files
from pipeline.core.paths import ROOT
from pipeline.git import repository as git

TABLE = "tools/tests.yaml"
#: Read in every session of pytest: its settings, its plugins, and what this module stands on.
COMMON = (
    TABLE,
    ".gitignore",
    "pyproject.toml",
    "requirements/*",
    "tests/*conftest.py",
    "pipeline/__init__.py",
    "pipeline/core/*",
    "pipeline/git/*",
)


@dataclass(frozen=True)
class Group:
    """One group: its test files, the files that it reads, and those of which it knows the names alone; all sorted.

    ``stage``: only targets with this stage run it.
    """

    name: str
    tests: list[Path]
    inputs: list[Path]
    names: Sequence[Path] = ()
    stage: str = ""

    def key(self, root: Path = ROOT) -> str:
        """A hash that changes with each input, each of the names, and with Python's version."""
        names = [str(path.relative_to(root)) for path in self.names]
        return git.content_key(self.inputs, platform.python_version(), *names, root=root)


def load(root: Path = ROOT) -> list[Group]:
    """The groups in the order of the table; a test file belongs to the first whose patterns match it."""
    table: dict[str, dict[str, str]] = files.read_yaml(root / TABLE)
    left = set(git.files("tests/*test_*.py", root=root))
    common = git.files(*COMMON, root=root)
    groups = []
    for name, row in table.items():
        tests = [path for path in git.files(*row["tests"].split(), root=root) if path in left]
        left.difference_update(tests)
        inputs = {*git.files(*row["reads"].split(), root=root), *common, *tests}
        names = git.files(*row["names"].split(), root=root) if "names" in row else []
        groups.append(Group(name, tests, sorted(inputs), names, row.get("stage", "")))
    return groups
