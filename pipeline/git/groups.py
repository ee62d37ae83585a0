"""Groups of the fast tests, and the files that decide about each group's outcome (``tools/tests.yaml``)."""

import platform
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
    """One group: its test files and its inputs, sorted. ``stage``: only targets with this stage run it."""

    name: str
    tests: list[Path]
    inputs: list[Path]
    stage: str = ""

    def key(self, root: Path = ROOT) -> str:
        """A hash that changes with each input and with Python's version."""
        return git.content_key(self.inputs, platform.python_version(), root=root)


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
        groups.append(Group(name, tests, sorted(inputs), row.get("stage", "")))
    return groups
