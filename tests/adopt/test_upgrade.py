"""An adopter's edits and a later version of this repository come together, as far as they are not the same lines."""

import shutil
import subprocess
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.core.paths import CHART, ROOT
from tests.e2e import checkout as scratch
from tests.e2e.checkout import Checkout

LIBRARY = Path(__file__).with_name("fixtures") / "library"
PLACE = ("--name", "library", "--repository", "acme/library", "--account", "210987654321")
OUR_CHART = str(CHART.relative_to(ROOT))
THEIR_CHART = "infra/helm/library"
ALARMS, DRIFT = "infra/terraform/modules/alarms/main.tf", ".github/workflows/drift.yml"
DEPLOYMENT, SERVICE = "infra/helm/library/templates/deployment.yaml", "infra/terraform/service.tf"
PRODUCTION, COMPOSE = "environments/production.yaml", "docker-compose.yml"
CHECKOV = "requirements/checkov.in"
#: No text: a zero byte keeps Git from merging it.
LOGO = "docs/logo.bin"
SCRIPT = "tools/environment.sh"

pytestmark = [pytest.mark.engine, pytest.mark.long]

Edit = Callable[[Path], None]


def first(text: str) -> Edit:
    return lambda path: write(f"{text}\n{path.read_text('utf-8')}")(path)


def last(text: str) -> Edit:
    return lambda path: write(f"{path.read_text('utf-8')}{text}\n")(path)


def write(text: str) -> Edit:
    def edit(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    return edit


def replace(before: str, after: str) -> Edit:
    def edit(path: Path) -> None:
        text = path.read_text("utf-8")
        assert before in text, path
        path.write_text(text.replace(before, after, 1), encoding="utf-8")

    return edit


def rename(name: str) -> Edit:
    def edit(path: Path) -> None:
        path.rename(path.with_name(name))

    return edit


@dataclass(frozen=True)
class Pair:
    """What a team changes, what the later version does, and what is there afterwards.

    ``kept`` are texts by file, ``gone`` files; ``conflicts`` are the files that Git leaves to the team.
    """

    ours: Mapping[str, Edit]
    later: Mapping[str, Edit]
    kept: Mapping[str, tuple[str, ...]]
    gone: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()


PAIRS = {
    "an own module": Pair(
        {"infra/terraform/modules/queue/main.tf": write("# ours\n"), SERVICE: first("# ours")},
        {"infra/terraform/modules/store/main.tf": write("# later\n"), SERVICE: last("# later")},
        {
            "infra/terraform/modules/queue/main.tf": ("# ours",),
            "infra/terraform/modules/store/main.tf": ("# later",),
            SERVICE: ("# ours", "# later"),
        },
    ),
    "an own workflow": Pair(
        {".github/workflows/ours.yml": write("name: Ours\n"), DRIFT: first("# ours")},
        {".github/workflows/later.yml": write("name: Later\n"), DRIFT: last("# later")},
        {".github/workflows/ours.yml": ("name: Ours",), DRIFT: ("# ours", "# later")},
    ),
    "an own alarm": Pair(
        {ALARMS: last('resource "aws_cloudwatch_metric_alarm" "ours" {}')},
        {ALARMS: first("# later")},
        {ALARMS: ("# later", '"ours"')},
    ),
    "a changed chart template": Pair(
        {DEPLOYMENT: first("{{- /* ours */ -}}")},
        {DEPLOYMENT: last("{{- /* later */ -}}")},
        {DEPLOYMENT: ("/* ours */", "/* later */")},
    ),
    "own dependencies, beside the server's": Pair(
        {
            "app/pyproject.toml": replace('"flask>=3.0"', '"flask>=3.0", "werkzeug"'),
            CHECKOV: first("# ours"),
        },
        {"server/requirements.in": last("itsdangerous"), CHECKOV: last("# later")},
        {
            "app/pyproject.toml": ('"werkzeug"',),
            CHECKOV: ("# ours", "# later"),
        },
    ),
    "an own test and an own check": Pair(
        {"tests/pipeline/test_ours.py": write("# ours\n"), "tools/lint.yaml": last("# ours")},
        {"tests/pipeline/test_later.py": write("# later\n"), "tools/lint.yaml": first("# later")},
        {
            "tests/pipeline/test_ours.py": ("# ours",),
            "tests/pipeline/test_later.py": ("# later",),
            "tools/lint.yaml": ("# ours", "# later"),
        },
    ),
    "lines of a Dockerfile, as docs/adopt.md has them": Pair(
        {
            "Dockerfile": replace(
                "FROM ${RUNTIME_IMAGE}\n",
                "FROM ${BUILD_IMAGE} AS system\nRUN ours\n\nFROM ${RUNTIME_IMAGE}\n",
            )
        },
        {
            "Dockerfile": replace(
                "FROM ${BUILD_IMAGE} AS build\n", "FROM ${BUILD_IMAGE} AS build\n# later\n"
            )
        },
        {"Dockerfile": ("RUN ours", "AS build\n# later")},
    ),
    "an added version": Pair(
        {"tools/versions.yaml": last("  ours: {newest: 1.0.0}")},
        {"tools/versions.yaml": first("# later")},
        {"tools/versions.yaml": ("  ours: {newest: 1.0.0}", "# later")},
    ),
    "another value of an environment, on the line that the later version changes": Pair(
        {PRODUCTION: replace("replicaCount: 3", "replicaCount: 4")},
        {PRODUCTION: replace("replicaCount: 3", "replicaCount: 5")},
        {PRODUCTION: ("replicaCount: 4",)},
    ),
    "settings in project.yaml, whose lines elsewhere the later version writes otherwise": Pair(
        {"project.yaml": last("# ours")},
        {"pipeline/releases/written.py": replace("PORT={port} ", "PORT={port} LATER=1 ")},
        {"project.yaml": ("OURS: yes", "# ours"), "Dockerfile": ("LATER=1", 'OURS="yes"')},
    ),
    "another mode, and a binary file": Pair(
        {SCRIPT: lambda path: path.chmod(0o644), LOGO: write("ours\0")},
        {SCRIPT: last("# later"), "docs/later.bin": write("later\0")},
        {SCRIPT: ("# later",), LOGO: ("ours\0",), "docs/later.bin": ("later\0",)},
    ),
    "a file that the later version renames": Pair(
        {"docs/glossary.md": last("ours")},
        {"docs/glossary.md": rename("words.md")},
        {"docs/words.md": ("ours",)},
        gone=("docs/glossary.md",),
    ),
    "a file that the team renamed": Pair(
        {"docs/cost.md": rename("money.md")},
        {"docs/cost.md": last("later")},
        {"docs/money.md": ("later",)},
        gone=("docs/cost.md",),
    ),
    "a file that the later version deletes, unchanged here": Pair(
        {"docs/backup.md": last("ours")},
        {"docs/eks.md": Path.unlink},
        {"docs/backup.md": ("ours",)},
        gone=("docs/eks.md",),
    ),
    "an edited file that the later version deletes": Pair(
        {"docs/eks.md": last("ours")},
        {},
        {"docs/eks.md": ("ours",)},
        conflicts=("docs/eks.md",),
    ),
    "a deleted file that the later version edits": Pair(
        {"docs/scanning.md": Path.unlink},
        {"docs/scanning.md": last("later")},
        {"docs/scanning.md": ("later",)},
        conflicts=("docs/scanning.md",),
    ),
    "a file that both add": Pair(
        {"docs/both.md": write("# Both\n\nours\n")},
        {"docs/both.md": write("# Both\n\nlater\n")},
        {"docs/both.md": ("<<<<<<<", "ours", "later")},
        conflicts=("docs/both.md",),
    ),
    "a binary file that both add": Pair(
        {"docs/both.bin": write("ours\0")},
        {"docs/both.bin": write("later\0")},
        {"docs/both.bin": ("ours\0",)},
        conflicts=("docs/both.bin",),
    ),
    "the same line": Pair(
        {COMPOSE: replace("read_only: true", "read_only: true # ours")},
        {COMPOSE: replace("read_only: true", "read_only: true # later")},
        {COMPOSE: ("<<<<<<<", "# ours", "# later")},
        conflicts=(COMPOSE,),
    ),
}


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def python(folder: Path, *arguments: str) -> str:
    argv = [str(folder / ".local" / "venv" / "bin" / "python"), *arguments]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def commit(folder: Path, edits: Mapping[str, Edit], message: str) -> None:
    for name, edit in edits.items():
        edit(folder / name)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def require(pair: Pair, folder: Path) -> None:
    """Every edit of both sides is there."""
    for name, texts in pair.kept.items():
        content = (folder / name).read_text("utf-8")
        assert not [text for text in texts if text not in content], name
    assert not [name for name in pair.gone if (folder / name).exists()]
    if SCRIPT in pair.ours:
        assert not (folder / SCRIPT).stat().st_mode & 0o100


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository, and its later version on a branch of its own."""
    folder = scratch.make(tmp_path_factory.mktemp("upstream") / "delivery").folder
    git(folder, "checkout", "--quiet", "-b", "later")
    edits = {
        name.replace(THEIR_CHART, OUR_CHART): edit
        for pair in PAIRS.values()
        for name, edit in pair.later.items()
    }
    edits |= {"CHANGELOG.md": last("\n## Later\n\n- Remarks.")}
    commit(folder, edits, "A later version")
    git(folder, "checkout", "--quiet", "--detach", "later~1")
    return folder


@pytest.fixture(scope="module")
def adopted(upstream: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A copy without history, as "Use this template" makes it, on another default branch, in a path with spaces."""
    clone = Checkout(tmp_path_factory.mktemp("adopted") / "our library")
    shutil.copytree(upstream, clone.folder, ignore=shutil.ignore_patterns(".git", ".local"))
    git(clone.folder, "init", "--quiet", "--initial-branch=trunk")
    commit(clone.folder, {}, "Initial commit")
    done = clone.inv("adopt", str(LIBRARY), *PLACE, "--no-checks")
    assert "the default branch is trunk" in done.stdout + done.stderr
    last("environment:\n  OURS: yes")(clone.folder / "project.yaml")
    clone.inv("format")
    commit(clone.folder, {}, "Adopt")
    return clone


@pytest.fixture(scope="module")
def team(adopted: Checkout, upstream: Path) -> str:
    """A branch with all edits that are no conflicts, upgraded; the output of the upgrade."""
    clean = (pair.ours for pair in PAIRS.values() if not pair.conflicts)
    git(adopted.folder, "checkout", "--quiet", "-b", "team")
    commit(adopted.folder, dict(ChainMap(*map(dict, clean))), "Our edits")
    return adopted.inv("upgrade", str(upstream), "--to", "later", "--no-checks").stdout


@pytest.fixture(scope="module")
def versions(adopted: Checkout, upstream: Path, team: str) -> list[str]:
    """The two versions as that upgrade has adopted them: their commits are still in Git."""
    every = ("--batch-all-objects", "--batch-check=%(objecttype) %(objectname)")
    objects = [line.split() for line in git(adopted.folder, "cat-file", *every).splitlines()]
    commits = [name for kind, name in objects if kind == "commit"]
    log = git(adopted.folder, "log", "--no-walk", "--format=%s/%H", *commits)
    by_subject = dict(line.rsplit("/", 1) for line in log.splitlines())
    revisions = git(upstream, "rev-parse", "later~1", "later").split()
    return [by_subject[f"Adopt {revision}"] for revision in revisions]


def test_a_later_version_comes_and_no_edit_is_lost(
    adopted: Checkout, upstream: Path, team: str
) -> None:
    assert "- Remarks." in team
    for pair in PAIRS.values():
        if not pair.conflicts:
            require(pair, adopted.folder)
    changed = git(adopted.folder, "diff", "--cached", "--name-only", "HEAD").splitlines()
    own = [path for path in changed if path.startswith(("app/", "environments/"))]
    assert own == ["app/requirements.txt"]  # the lock of both, the application and the server
    python(adopted.folder, "-m", "pipeline.commands.lock_dependencies")
    assert git(adopted.folder, "diff", "--name-only") == ""
    git(adopted.folder, "commit", "--quiet", "--message", "Upgrade")
    again = adopted.inv("upgrade", str(upstream), "--to", "later", "--no-checks")
    assert "nothing to upgrade" in again.stdout


@pytest.mark.parametrize("name", PAIRS)
def test_a_pair_conflicts_in_the_same_lines_alone(
    adopted: Checkout, versions: list[str], name: str
) -> None:
    pair = PAIRS[name]
    git(adopted.folder, "checkout", "--quiet", "--force", "--detach", "trunk")
    commit(adopted.folder, pair.ours, name)
    merge = (
        "import sys; from pipeline.commands import upgrade; print(*upgrade._merge(*sys.argv[1:]))"
    )
    conflicts = python(adopted.folder, "-c", merge, *versions)
    assert tuple(conflicts.split()) == pair.conflicts
    require(pair, adopted.folder)


def test_conflicts_are_named_and_shown_as_git_shows_them(adopted: Checkout, upstream: Path) -> None:
    git(adopted.folder, "checkout", "--quiet", "--force", "--detach", "trunk")
    pairs = [pair for pair in PAIRS.values() if pair.conflicts]
    commit(adopted.folder, dict(ChainMap(*(dict(pair.ours) for pair in pairs))), "Ours")
    done = adopted.inv("upgrade", str(upstream), "--to", "later", "--no-checks", check=False)
    assert done.returncode == 1
    for pair in pairs:
        require(pair, adopted.folder)
        assert pair.conflicts[0] in done.stdout + done.stderr
    unmerged = git(adopted.folder, "diff", "--name-only", "--diff-filter=U").splitlines()
    assert unmerged == sorted(pair.conflicts[0] for pair in pairs)
