"""Applications of others, adopted in a scratch clone by the command alone, and delivered to each target."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pipeline.releases.project import project
from tests.e2e import checkout as scratch
from tests.e2e import workflows
from tests.e2e.checkout import Checkout

FIXTURES = Path(__file__).with_name("fixtures")
PLACE = ("--repository", "acme/shop", "--account", "210987654321", "--region", "eu-west-1")

pytestmark = [pytest.mark.engine, pytest.mark.long]


def git(clone: Checkout, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=Test", "-c", "user.email=test@example.org", *arguments],
        cwd=clone.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module", params=["quickstart", "notes", "library"])
def adopted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Checkout]:
    clone = scratch.make(tmp_path_factory.mktemp(request.param) / "a clone", port_step=4000)
    source = str(FIXTURES / request.param)
    clone.inv("adopt", source, "--name", request.param, *PLACE, "--no-checks")
    git(clone, "commit", "--quiet", "--message", "Deliver our application")
    yield clone
    clone.inv("down")


def test_no_name_of_the_sample_is_left(adopted: Checkout) -> None:
    names = (project().name, project().image, project().title, "potluck")
    words = [argument for name in names for argument in ("-e", name)]
    assert git(adopted, "grep", "-i", "-l", *words) == ""


def test_the_same_again_changes_nothing(adopted: Checkout) -> None:
    source = str(FIXTURES / adopted.folder.parent.name.rstrip("0123456789"))
    name = adopted.folder.parent.name.rstrip("0123456789")
    again = adopted.inv("adopt", source, "--name", name, *PLACE, "--no-checks")
    assert "nothing to change" in again.stdout
    assert git(adopted, "status", "--porcelain") == ""


def test_a_wrong_answer_or_an_edited_tree_changes_nothing(adopted: Checkout) -> None:
    wrong = adopted.inv("adopt", "--name", "No name", "--no-checks", check=False)
    assert wrong.returncode == 1
    assert "name must be" in wrong.stdout + wrong.stderr
    assert git(adopted, "status", "--porcelain") == ""
    (adopted.folder / "added.txt").write_text("mine\n", encoding="utf-8")
    dirty = adopted.inv("adopt", "--name", "other", "--no-checks", check=False)
    assert "not clean" in dirty.stdout + dirty.stderr
    (adopted.folder / "added.txt").unlink()


@pytest.mark.parametrize("target", ["compose", "ecs", "kubernetes"])
def test_it_is_delivered(adopted: Checkout, target: str) -> None:
    adopted.inv("deploy", "--to", target)
    state = adopted.status()[target]
    assert state["healthy"]
    name = adopted.folder.parent.name.rstrip("0123456789")
    page = {"quickstart": "Hello, World!", "notes": "<h1>Notes</h1>", "library": '"ok"'}[name]
    path = "/health" if name == "library" else "/"
    assert page in httpx.get(state["url"] + path, timeout=10).text
    if name == "notes":
        httpx.post(f"{state['url']}/add", data={"body": target}, timeout=10)
        assert f"<li>{target}</li>" in httpx.get(state["url"], timeout=10).text


@pytest.mark.parametrize("adopted", ["library"], indirect=True)
def test_its_pull_request_gets_its_verdict(adopted: Checkout, tmp_path: Path) -> None:
    adopted.edit("app/src/library/books.py", r"\Z", "# Seen.\n")
    with workflows.no_advisories(tmp_path) as advisories:
        said = adopted.inv("pipeline", "--event", "pull_request", check=True, **advisories).stdout
    found = workflows.results(said)
    assert "Pull request/Test" in found
    assert set(found.values()) <= {"passed", "skipped"}
