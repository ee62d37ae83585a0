"""The desired state of an environment: ``environments/<name>.yaml``, read by Terraform, Helm and the tasks."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core import files
from pipeline.core.errors import PipelineError, require_choice
from pipeline.core.paths import ENVIRONMENTS, LOCAL
from pipeline.releases import documents
from pipeline.releases.history import with_digest
from pipeline.releases.image_reference import ImageReference
from pipeline.releases.project import project

#: The environment of this machine: no workflow plans or deploys it.
LOCAL_ENVIRONMENT = "local"
MEMORY = LOCAL / "environments" / "digest.json"


@dataclass(frozen=True)
class Environment:
    """One environment file. ``raw`` is the whole document; the fields are what the tasks themselves use.

    ``revision`` is the promoted commit whose Terraform and chart it runs; None follows main. With ``smoke`` the
    application's smoke test tries each deployment, too.
    """

    name: str
    file: Path
    repository: str
    digest: str | None
    revision: str | None
    replicas: int
    smoke: bool
    raw: dict[str, Any]

    @property
    def image(self) -> ImageReference:
        """The released image; raises PipelineError where nothing has been released to this environment yet."""
        if self.digest is None:
            raise PipelineError(
                f"environment {self.name} has no image digest yet",
                next_step="build and push an image first (./inv build), or promote one",
            )
        return ImageReference(self.repository, self.digest)


def names() -> list[str]:
    """The environments that exist, sorted."""
    return sorted(file.stem for file in ENVIRONMENTS.glob("*.yaml"))


def deployed() -> list[str]:
    """The environments of real accounts: all but the one of this machine."""
    return [name for name in names() if name != LOCAL_ENVIRONMENT]


def unreleased(name: str) -> str:
    """What a task prints that has nothing to do, because nothing was ever released to a deployed environment."""
    return f"nothing is released to {name} yet"


def waits_for_release(environment: Environment, digest: str | None = None) -> bool:
    """Whether there is nothing to deploy or compare: neither Git nor the caller names an image."""
    return not (digest or environment.digest) and environment.name != LOCAL_ENVIRONMENT


def path(name: str) -> Path:
    """Git's file of an environment."""
    return ENVIRONMENTS / f"{name}.yaml"


def load(name: str) -> Environment:
    """Reads and checks an environment file; raises PipelineError for an unknown name, or what may not be in it."""
    require_choice("environment", name, names())
    return read(path(name))


def read(file: Path) -> Environment:
    """Reads the environment file at a path; raises PipelineError as ``load`` does."""
    raw = documents.read(file)
    name, image, replicas = raw["name"], raw["image"], raw["replicaCount"]
    database, revision = raw["database"]["engine"], raw.get("revision")
    if name != file.stem:
        raise documents.refusal(file, f"name is {name!r}, it must be {file.stem!r}")
    if database == "sqlite" and replicas > 1:
        cause = f"{replicas} replicas on sqlite: each would keep a database of its own and lose the other's data"
        raise documents.refusal(file, cause)
    if raw.get("smoke") and not project().smoke:
        raise documents.refusal(file, "smoke is true, and project.yaml names no smoke test")
    for other in (raw.get("admission") or {}).get("others") or []:
        if re.match(rf"{re.escape(image['repository'])}(?=[:@]|$)", other):
            cause = f"admission.others names {other}: the application's own images are listed once they are verified"
            raise documents.refusal(file, cause)
    return Environment(
        name=name,
        file=file,
        repository=image["repository"],
        digest=image.get("digest"),
        revision=revision,
        replicas=replicas,
        smoke=bool(raw.get("smoke")),
        raw=raw,
    )


def resolve(environment: Environment, digest: str, folder: Path) -> Environment:
    """A copy of the environment that runs ``digest``, written to a folder; Git's file stays as it is."""
    text = path(environment.name).read_text(encoding="utf-8")
    target = folder / f"{environment.name}.yaml"
    files.write(target, with_digest(text, digest))
    return read(target)


def resolved(name: str) -> Environment:
    """Git's file; for this machine's environment with the digest that ``remember`` kept; raises as ``load`` does."""
    environment = load(name)
    memory = (files.read_json(MEMORY, {"digest"}) or {}) if name == LOCAL_ENVIRONMENT else {}
    digest = memory.get("digest")
    return resolve(environment, str(digest), MEMORY.parent) if digest else environment


def remember(environment: Environment, digest: str) -> None:
    """Keeps what this machine's environment runs on every target. Of other environments Git alone says so."""
    if environment.name == LOCAL_ENVIRONMENT:
        files.write(MEMORY, json.dumps({"digest": digest}))


def plan_folder(name: str) -> Path:
    """Where the copy lies that the environment's saved plan is of."""
    return LOCAL / "terraform" / name


def planned(environment: Environment) -> Environment:
    """The environment as its saved plan has it; itself where there is none."""
    file = plan_folder(environment.name) / f"{environment.name}.yaml"
    return read(file) if file.is_file() else environment
