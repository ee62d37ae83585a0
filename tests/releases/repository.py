"""A repository whose commits decide what runs, and what people and workflows do to it."""

import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.commands import promote, release
from pipeline.releases import history as releases
from pipeline.releases.desired import Desired, set_note, verification
from pipeline.releases.image_reference import ImageReference

OLD, NEW, OLDEST = (f"sha256:{letter * 64}" for letter in "abc")
REPOSITORY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop"
TEXT = f"name: staging\nimage:\n  repository: {REPOSITORY}\n  digest: null # nothing yet\nreplicaCount: 2\n"
REST = 'database:\n  engine: postgresql\naws: {account_id: "123456789012"}\n'


def run(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def to_new(text: str) -> str:
    return releases.with_digest(text, NEW)


def desired(clone: Path) -> Desired:
    return Desired("origin", root=clone)


def merge(clone: Path, name: str) -> str:
    """Somebody merges a change to main; returns the commit."""
    run(clone, "fetch", "-q")
    run(clone, "checkout", "-q", "--detach", "origin/main")
    (clone / name).parent.mkdir(exist_ok=True)
    (clone / name).write_text(name, encoding="utf-8")
    run(clone, "add", ".")
    run(clone, "commit", "-q", "-m", f"Add {name}")
    run(clone, "push", "-q", "origin", "HEAD:main")
    return run(clone, "rev-parse", "HEAD")


def publish(clone: Path, digest: str, source: str) -> str | None:
    image = ImageReference(REPOSITORY, digest)
    text = releases.message(f"Release {image.short} to staging", image, source=source)
    return releases.set_text(
        desired(clone),
        "staging",
        lambda text: releases.with_digest(text, digest),
        message=text,
        check=lambda tip: _newest(clone, tip, source),
    )


def _newest(clone: Path, tip: str, source: str) -> None:
    release.refuse_older(tip, "staging", source, root=clone)


def settle(clone: Path, replicas: int) -> str:
    """Somebody merges a change of staging's settings; returns the commit."""
    run(clone, "fetch", "-q")
    run(clone, "checkout", "-q", "--detach", "origin/main")
    file = clone / "environments" / "staging.yaml"
    text = re.sub(r"Count: \d+", f"Count: {replicas}", file.read_text(encoding="utf-8"))
    file.write_text(text, encoding="utf-8")
    run(clone, "commit", "-q", "-am", f"Run {replicas}")
    run(clone, "push", "-q", "origin", "HEAD:main")
    return run(clone, "rev-parse", "HEAD")


def commits(clone: Path) -> list[releases.Release]:
    return releases.commits(desired(clone).tip(), "staging", root=clone)


def promoted(clone: Path, name: str) -> tuple[str | None, str | None]:
    """Promotes staging as on one machine; returns the digest and the revision that Git then names."""
    promote.run("staging", name)
    content = releases.at(desired(clone).tip(), name, root=clone)
    return content["image"]["digest"], content.get("revision")


def rule(clone: Path, conditions: str) -> Path:
    """Gives production's file on main, and in the work tree, these conditions."""
    run(clone, "fetch", "-q")
    run(clone, "checkout", "-q", "--force", "--detach", "origin/main")
    file = clone / "environments" / "production.yaml"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = "".join(line for line in lines if not line.startswith("promotion:"))
    file.write_text(f"{kept}promotion: {conditions}\n", encoding="utf-8")
    run(clone, "commit", "-q", "-am", "Set the conditions")
    run(clone, "push", "-q", "origin", "HEAD:main")
    staging = clone / "environments" / "staging.yaml"
    if "aws:" not in staging.read_text(encoding="utf-8"):
        staging.write_text(f"{staging.read_text(encoding='utf-8')}{REST}", encoding="utf-8")
    return clone


def note(clone: Path, commit: str, *, hours: int = 2) -> None:
    """Notes that a commit was verified some hours ago."""
    at = datetime.now(UTC) - timedelta(hours=hours)
    text = verification(["ecs", "kubernetes"], at)
    set_note(desired(clone), commit, lambda _: text)


def release_to_staging(clone: Path, digest: str, name: str) -> str:
    run(clone, "checkout", "-q", "--", "environments/staging.yaml")
    commit = publish(clone, digest, merge(clone, name))
    assert commit
    staging = clone / "environments" / "staging.yaml"
    staging.write_text(f"{releases.with_digest(TEXT, digest)}{REST}", encoding="utf-8")
    return commit
