"""What messages, comments and pages refer to is there, and the table of settings names every setting."""

import re
from datetime import date
from pathlib import Path

import pytest

from pipeline.core.paths import ROOT, TERRAFORM
from pipeline.git import repository as git
from pipeline.releases.project import project

TEXTS = (".md", ".py", ".tf", ".yaml", ".yml", ".sh", "Dockerfile")
#: Tests name pages that are made up, and an application has pages of its own.
OURS = [
    file
    for file in git.files("*", ":!app/*")
    if file.name.endswith(TEXTS) and "tests" not in file.parts
]
PAGES = [file for file in OURS if file.suffix == ".md"]


def test_every_page_that_is_named_is_there() -> None:
    missing = {
        f"{file.relative_to(ROOT)} names {name}"
        for file in OURS
        for name in re.findall(r"\bdocs/[\w/-]+\.md\b", file.read_text(encoding="utf-8"))
        if not (ROOT / name).is_file()
    }
    assert missing == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    missing = [
        link for link in links if "://" not in link and not (page.parent / link).resolve().exists()
    ]
    assert missing == []


@pytest.mark.skipif(bool(project().delivery), reason="the sample's tests went with it")
@pytest.mark.parametrize("name", ["field.md", "reality.md", "reality-proofs.md"])
def test_every_test_that_is_named_is_there(name: str) -> None:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    files = {str(file.relative_to(ROOT)): file for file in git.files("tests/*.py", "*.tftest.hcl")}
    tests = {
        name: {Path(name).stem, *re.findall(r"^def (test_\w+)", file.read_text("utf-8"), re.M)}
        for name, file in files.items()
    }
    named = re.findall(r"([\w/]+\.py)::(test_\w+)", text)
    assert [pair for pair in named if pair[1] not in tests.get(pair[0], ())] == []
    assert {*re.findall(r"\btest_\w+", text)} <= set().union(*tests.values())
    suites = {Path(name).name for name in files}
    assert {*re.findall(r"[\w-]+\.tftest\.hcl", text)} <= suites


def test_the_table_of_settings_names_every_key() -> None:
    text = (TERRAFORM / "modules" / "settings" / "variables.tf").read_text(encoding="utf-8")
    block = text[text.index('variable "aws" {') :]
    block = block[: block.index("validation {")]
    keys = set()
    section = ""
    for line in block.splitlines():
        match = re.match(r"( +)(\w+) += (.*)", line)
        if not match or len(match[1]) == 2:
            continue
        if match[3].startswith("optional(object"):
            section = f"{match[2]}."
        elif len(match[1]) == 4:
            keys.add(match[2])
        else:
            keys.add(f"{section}{match[2]}")
    assert len(keys) > 20
    page = (ROOT / "docs" / "terraform.md").read_text(encoding="utf-8")
    assert {key for key in keys if f"`{key}`" not in page} == set()


def test_the_page_of_figures_says_when_and_of_what_they_are() -> None:
    text = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    run = r"`\./inv bench path`, (\d{4}-\d\d-\d\d), commit [0-9a-f]{12}, \d+ cores.*, \d+ GiB\."
    dated = re.search(run, text)
    assert dated, "a figure without its run is no figure"
    assert date.fromisoformat(dated[1]) >= date(2026, 11, 26)


@pytest.mark.skipif(bool(project().delivery), reason="the pictures went with the sample")
def test_every_picture_is_small_and_shown_by_a_page() -> None:
    pictures = git.files("docs/*.png")
    assert pictures
    shown = {
        (page.parent / link).resolve()
        for page in PAGES
        for link in re.findall(r"\]\(([^)\s]+\.png)\)", page.read_text(encoding="utf-8"))
    }
    assert {*pictures} == shown
    folder = ROOT / "docs" / "screenshots"
    assert [file for file in pictures if file.parent != folder] == []
    assert [file.name for file in pictures if file.stat().st_size > 300_000] == []
