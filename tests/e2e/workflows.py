"""Runs of the workflows in a clone, and what they print."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.gauntlet import osv
from tests.pipeline.images import grype_database


@contextmanager
def no_advisories(folder: Path) -> Iterator[dict[str, str]]:
    """The variables of jobs that look vulnerabilities up where none of ours is known."""
    database = grype_database.make(folder, [])
    with osv.knowing({}) as address:
        yield {
            "GRYPE_DATABASE": str(database),
            "OSV_API": address,
            "NO_PROXY": "127.0.0.1,localhost",
        }


def results(said: str) -> dict[str, str]:
    """The table that ends a run: each job's name, and whether it passed, failed or was skipped."""
    rows = re.findall(r"^(\S.*?) +(?:[✔✘] )?(passed|failure|skipped)\b", said, re.M)
    return {name.strip(): result for name, result in rows}
