"""The table of pinned versions: complete, read where they are pinned, and judged on any day."""

import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from offline import programs
from pipeline.commands import versions
from pipeline.core import tools
from pipeline.core.errors import PipelineError
from pipeline.images.catalogue import catalogue
from pipeline.terraform import cli

TABLE = YAML(typ="safe").load(versions.TABLE.read_text(encoding="utf-8"))
SEEN: date = TABLE["seen"]


def failure(today: date) -> str:
    """Why the table fails on a day; empty when it does not."""
    try:
        versions.run(today=today)
    except PipelineError as error:
        return error.cause
    return ""


def test_on_the_day_of_the_table_nothing_runs_out() -> None:
    assert "each is supported for 30 days more" in versions.run(today=SEEN).headline
    assert "| k8s.io/kubernetes | 1.37.2 |" in versions.run(today=SEEN).markdown


@pytest.mark.parametrize(
    ("name", "end"),
    [
        (name, end)
        for name, row in TABLE["components"].items()
        for end in row.get("ends", {}).values()
        if "accepted" not in row
    ],
)
def test_it_fails_from_thirty_days_before_each_end(name: str, end: date) -> None:
    message = re.compile(rf"(^|; ){re.escape(name)} \S+ is supported until {end}")
    assert message.search(failure(end - timedelta(days=30)))
    assert not message.search(failure(end - timedelta(days=31)))


def test_a_version_that_is_kept_beyond_its_end_is_kept_until_its_day() -> None:
    row = TABLE["components"]["distroless"]
    until = row["accepted"]["until"]
    shown = versions.run(today=until - timedelta(days=31)).markdown
    assert f"kept until {until}: {row['accepted']['because']}" in shown
    assert "distroless 12 is supported until" in failure(until - timedelta(days=30))


def test_a_table_that_nobody_looks_at_fails() -> None:
    last = SEEN + timedelta(days=versions.REVIEW_DAYS)
    message = f"the table is of {SEEN}"
    assert message not in failure(last)
    assert message in failure(last + timedelta(days=1))


def test_the_versions_are_those_that_are_pinned() -> None:
    pinned = versions.pinned(TABLE["sources"])
    wanted = {(entry.name, entry.pinned) for entry in tools.catalogue().values() if entry.pinned}
    wanted.add(("hashicorp/aws", cli.locked_version()))
    variables = programs.recipe()["variables"]
    wanted.add(("k8s.io/kubernetes", variables["k8s.io/component-base/version.gitVersion"][1:]))
    assert wanted <= pinned
    names = {name for name, _ in pinned}
    # Tests of the recipe hold these equal to their modules.
    assert set(catalogue()) - {"argocd", "coredns", "rollouts"} <= names
    assert names == set(TABLE["components"])


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("  redis:", "  valkey:", "redis has no row"),
        ('ends: {"24.04":', 'ends: {"22.04":', "ubuntu 24.04 has no end of support"),
        ("^toolchain ", "^toolkit ", "matches"),
    ],
)
def test_a_version_without_a_row_or_an_end_fails(
    old: str, new: str, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "versions.yaml"
    text = versions.TABLE.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    monkeypatch.setattr(versions, "TABLE", file)
    assert cause in failure(SEEN)
