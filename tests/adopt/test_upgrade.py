"""An adopter's edits and a later version of this repository come together, as far as they are not the same lines."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.core.paths import CHART, ROOT
from tests.e2e import checkout as scratch
from tests.e2e.checkout import Checkout

LIBRARY = Path(__file__).with_name("fixtures") / "library"
PLACE = ("--name", "library", "--repository", "acme/library", "--account", "210987654321")
OUR_CHART = str(CHART.relative_to(ROOT))
THEIR_CHART = "infra/helm/library"
#: What the later version changes at the end of a file, and the adopter at the beginning of the same one.
PAIRS = (
    "docker-compose.yml",
    "infra/terraform/service.tf",
    "infra/terraform/modules/alarms/main.tf",
    "argocd/apps/base/project.yaml",
    ".github/workflows/drift.yml",
    "requirements/checkov.in",
    "tools/environment.sh",
    "CONTRIBUTING.md",
    f"{OUR_CHART}/values.yaml",
    f"{OUR_CHART}/templates/deployment.yaml",
)

pytestmark = [pytest.mark.engine, pytest.mark.long]


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def remark(path: Path, text: str) -> str:
    """A comment in the file's language."""
    if "templates" in path.parts:
        return f"{{{{- /* {text} */ -}}}}\n"
    return f"<!-- {text} -->\n" if path.suffix == ".md" else f"# {text}\n"


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository, and its later version on a branch of its own."""
    folder = scratch.make(tmp_path_factory.mktemp("upstream") / "delivery").folder
    git(folder, "checkout", "--quiet", "-b", "later")
    for name in PAIRS:
        path = folder / name
        path.write_text(path.read_text("utf-8") + remark(path, "later"), encoding="utf-8")
    changes = folder / "CHANGELOG.md"
    changes.write_text(changes.read_text("utf-8") + "\n## Later\n\n- Remarks.\n", encoding="utf-8")
    git(folder, "commit", "--quiet", "--all", "--message", "A later version")
    git(folder, "checkout", "--quiet", "-b", "conflict")
    compose = folder / "docker-compose.yml"
    text = compose.read_text("utf-8").replace("read_only: true", "read_only: true # theirs")
    compose.write_text(text, encoding="utf-8")
    git(folder, "commit", "--quiet", "--all", "--message", "The same line")
    git(folder, "checkout", "--quiet", "--detach", "later~1")
    return folder


@pytest.fixture(scope="module")
def adopted(upstream: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A copy without history, as "Use this template" makes it, with edits of a team."""
    clone = Checkout(tmp_path_factory.mktemp("adopted") / "library")
    shutil.copytree(upstream, clone.folder, ignore=shutil.ignore_patterns(".git", ".local"))
    git(clone.folder, "init", "--quiet", "--initial-branch=trunk")
    git(clone.folder, "add", "--all")
    git(clone.folder, "commit", "--quiet", "--message", "Initial commit")
    clone.inv("adopt", str(LIBRARY), *PLACE, "--no-checks")
    for name in PAIRS:
        path = clone.folder / name.replace(OUR_CHART, THEIR_CHART)
        path.write_text(remark(path, "ours") + path.read_text("utf-8"), encoding="utf-8")
    added = clone.folder / "infra" / "terraform" / "modules" / "queue" / "main.tf"
    added.parent.mkdir()
    added.write_text("# ours\n", encoding="utf-8")
    clone.edit("environments/production.yaml", "replicaCount: 3", "replicaCount: 4")
    git(clone.folder, "add", "--all")
    git(clone.folder, "commit", "--quiet", "--message", "Our edits")
    return clone


def test_no_edit_is_lost_and_every_change_comes(adopted: Checkout, upstream: Path) -> None:
    done = adopted.inv("upgrade", str(upstream), "--to", "later", "--no-checks")
    assert "- Remarks." in done.stdout
    for name in PAIRS:
        path = adopted.folder / name.replace(OUR_CHART, THEIR_CHART)
        text = path.read_text("utf-8")
        assert remark(path, "ours") in text, name
        assert remark(path, "later") in text, name
    changed = git(adopted.folder, "diff", "--cached", "--name-only", "HEAD").split()
    assert not [path for path in changed if path.startswith(("app/", "environments/"))]
    git(adopted.folder, "commit", "--quiet", "--message", "Upgrade")
    again = adopted.inv("upgrade", str(upstream), "--to", "later", "--no-checks")
    assert "nothing to upgrade" in again.stdout


def test_the_same_line_is_a_conflict_that_git_shows(adopted: Checkout, upstream: Path) -> None:
    adopted.edit("docker-compose.yml", "read_only: true", "read_only: true # ours")
    git(adopted.folder, "commit", "--quiet", "--all", "--message", "Ours")
    done = adopted.inv("upgrade", str(upstream), "--to", "conflict", "--no-checks", check=False)
    assert done.returncode == 1
    assert "in docker-compose.yml" in done.stdout + done.stderr
    assert git(adopted.folder, "diff", "--name-only", "--diff-filter=U") == "docker-compose.yml\n"
    assert "<<<<<<<" in (adopted.folder / "docker-compose.yml").read_text("utf-8")
