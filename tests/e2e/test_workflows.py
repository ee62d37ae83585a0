"""The committed workflows, run by act with the real tasks: a merge reaches staging, a pull request gets its verdict."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import checkout as scratch
from tests.e2e import workflows
from tests.e2e.checkout import PORT_STEP, Checkout
from tests.e2e.workflows import results

pytestmark = [pytest.mark.engine, pytest.mark.e2e, pytest.mark.long]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A clone with a local AWS of its own, in which a merge makes staging."""
    made = scratch.make(
        Path(tmp_path_factory.mktemp("workflows")) / "clone", port_step=3 * PORT_STEP
    )
    yield made
    made.inv("down")
    assert scratch.containers(made) == []


@pytest.fixture(scope="module")
def advisories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with workflows.no_advisories(tmp_path_factory.mktemp("advisories")) as variables:
        yield variables


def kept(clone: Checkout, event: str, name: str) -> str:
    """A file of what the jobs of a run shared."""
    path = clone.folder / ".local" / "pipeline" / event / "shared" / name
    return path.read_text(encoding="utf-8")


def test_a_fork_plans_where_nobody_has_bootstrapped(clone: Checkout) -> None:
    """The first test: nothing of this machine's account is prepared, as on the runner of a fork."""
    planned = clone.inv("plan", "--environment", "staging", "--no-lock", LOCAL_AWS="1")
    assert "to create" in planned.stdout


@pytest.fixture(scope="module")
def merged(clone: Checkout, advisories: dict[str, str]) -> str:
    """What a merge printed."""
    return clone.inv("pipeline", "--event", "push", check=True, **advisories).stdout


def test_a_merge_does_every_job(merged: str) -> None:
    assert results(merged) == dict.fromkeys(
        (
            "Main/Lint",
            "Main/Test",
            "Image/Image/Build, scan, push",
            "Staging/Deploy/Deploy",
            "Staging/Deploy/Issue",
            "Main/Release notes",
        ),
        "passed",
    )


def test_one_digest_is_attested_committed_released_and_runs(clone: Checkout, merged: str) -> None:
    bare = clone.folder / ".local" / "pipeline" / "push" / "github.git"
    committed = subprocess.run(
        ["git", "show", "main:environments/staging.yaml"],
        cwd=bare,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    (digest,) = re.findall(r"sha256:[0-9a-f]{64}", committed)
    calls = [json.loads(line) for line in kept(clone, "push", "calls.jsonl").splitlines()]
    attested = [one["inputs"]["subject-digest"] for one in calls if one["action"] == "attest"]
    assert attested == [digest, digest]
    told: dict[str, Any] = json.loads(kept(clone, "push", "github.json"))
    (release,) = told["releases"]
    assert digest in release["body"]
    clone.inv("verify", "--environment", "staging", "--digest", digest, LOCAL_AWS="1")


def test_a_pull_request_gets_its_verdict_in_one_comment(
    clone: Checkout, merged: str, advisories: dict[str, str]
) -> None:
    clone.edit("app/thanksgiving/templates/base.html", r"</body>", "<!-- seen --></body>")
    try:
        said = clone.inv("pipeline", "--event", "pull_request", check=True, **advisories).stdout
    finally:
        clone.restore()
    found = results(said)
    assert (found.pop("plan"), found.pop("diff")) == ("skipped", "skipped")
    assert set(found.values()) == {"passed"}
    told: dict[str, Any] = json.loads(kept(clone, "pull_request", "github.json"))
    (comment,) = told["comments"]["1"]
    assert "\n### Mergeable\n" in comment["body"]
    assert "MB against main at " in comment["body"]
    assert "vulnerabilities of the image against main at " in comment["body"]


def test_a_change_of_the_docs_is_linted_scanned_for_secrets_and_tested_alone(
    clone: Checkout,
) -> None:
    clone.edit("docs/github.md", r"\Z", "\nThat is all.\n")
    try:
        said = clone.inv("pipeline", "--event", "pull_request").stdout
    finally:
        clone.restore()
    ran = {name for name, result in results(said).items() if result == "passed"}
    jobs = ("Affected stages", "Secrets", "Lint", "Test", "Comment", "Required")
    assert ran == {f"Pull request/{job}" for job in jobs}
    assert "cannot affect it" in said
