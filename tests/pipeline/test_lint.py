"""What a check of `./inv lint` reads is among its files in tools/lint.yaml: a change of it runs the check."""

import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.commands import lint
from pipeline.core.paths import ROOT
from pipeline.git import repository as git

CHECKS: dict[str, dict[str, str]] = YAML(typ="safe").load(lint.CHECKS)
OURS = {name for name, check in CHECKS.items() if "-m pipeline." in check.get("command", "")}
#: Those that leave the reading to a program.
PROGRAMS = {"Python locks", "terraform validate", "diagrams"}
#: Runs a module, then prints the files that it opened.
READ = """
import os, runpy, sys
opened = set()
sys.addaudithook(lambda event, given: event == "open" and opened.add(given[0]))
try:
    runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=True)
except SystemExit as end:
    assert not end.code, end.code
print(*(os.path.abspath(os.fsdecode(name)) for name in opened if not isinstance(name, int)), sep="\\n")
"""


@pytest.mark.parametrize("name", sorted(OURS - PROGRAMS))
def test_a_check_names_what_it_reads(name: str) -> None:
    _python, _, *module = CHECKS[name]["command"].split()
    done = subprocess.run(
        [sys.executable, "-c", READ, *module],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    data = {Path(line) for line in done.stdout.splitlines()} & set(git.files())
    read = {path for path in data if path.suffix != ".py"}
    assert read
    assert not read - set(git.files(*CHECKS[name]["files"].split()))


def test_every_other_check_of_ours_runs_a_program() -> None:
    assert OURS >= PROGRAMS


def test_a_failure_shows_its_findings_in_the_comment_and_no_command_of_a_log() -> None:
    github = (
        f"::error title=Ruff (F401),file={ROOT}/a.py,line=1::a.py:1:8: F401 `os` imported\n"
        f"::group::b.yml\n::error file=b.yml,line=3::3:1 [rule] ```bad\n::endgroup::"
    )
    text = lint.failure({"ruff check": github, "mypy": "x" * 9000}, 17).report
    assert text.startswith(
        "### Lint: ruff check, mypy\n\nruff check:\n\n````\na.py:1:8: F401 `os` imported\nb.yml\n3:1"
    )
    assert "::" not in text
    assert str(ROOT) not in text
    assert "Cut here: the whole text is in the job's log" in text
    assert len(text) < 4000
