"""The application's image: what its version is, how it is built, and what is known of the last build."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import docker.errors
from docker.utils.build import exclude_paths

from pipeline.core import console, files
from pipeline.core.errors import PipelineError
from pipeline.core.paths import BUILD_RECORD, ROOT
from pipeline.git import repository as git
from pipeline.github import actions
from pipeline.images import build as imagebuild
from pipeline.images import catalogue
from pipeline.images import docker as engine
from pipeline.releases.project import project

#: The Dockerfile's arguments for its bases, and their names in the catalogue; the last one is what runs.
BASES = {"BUILD_IMAGE": "python", "RUNTIME_IMAGE": "distroless"}
#: All that decides what is in the image.
INPUTS = (
    "Dockerfile",
    ".dockerignore",
    "server",
    "app",
    "pipeline/images/images.yaml",
    "offline/containers",
)


#: A version as the tag of an image, with room for what follows where the work tree differs.
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True)
class Version:
    """The name of a build: ``version`` is its tag too, so that different content never has the same tag."""

    version: str
    revision: str
    created: str


@dataclass(frozen=True)
class Record:
    """The last build, as ``.local/build.json`` keeps it. ``digest`` and ``repository`` are known after a push.

    ``size`` is in bytes, uncompressed. ``base_equivalent``: no registry gave one of the bases.
    """

    image: str
    image_id: str
    version: str
    revision: str
    created: str
    size: int
    seconds: float
    base: str
    base_equivalent: bool
    repository: str | None = None
    digest: str | None = None


def version(root: Path = ROOT) -> Version:
    """The version of the work tree: HEAD's version tag or commit, and a hash of the content where that differs.

    Read from the files that a build takes in, not from Git's view of them: it can be told to overlook some.
    """
    revision = git.revision(root)
    tag = git.release_tag(root=root)
    # As Helm does: a tag of an image has no plus sign.
    name = tag.replace("+", "_") if tag else f"0.0.0-g{revision[:12]}"
    if not TAG.fullmatch(name):
        raise PipelineError(
            f"the Git tag {tag!r} cannot name an image",
            next_step="give the commit a tag such as v1.2.3 or v1.2.3-rc.1, of at most 100 characters",
        )
    files = _inputs(root)
    if git.hashed(files, root=root) != git.committed(*INPUTS, root=root):
        name += f"-dirty-{git.content_key(files, root=root)[:12]}"
    return Version(name, revision, f"{git.committed_at(root=root):%Y-%m-%dT%H:%M:%SZ}")


def _inputs(root: Path) -> list[Path]:
    """All files that decide about the image: Git's, and in the context of the build those that Git ignores too."""
    ignored = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in ignored if line and not line.startswith("#")]
    context = (root / name for name in exclude_paths(str(root), patterns))
    return sorted({*git.files(*INPUTS, root=root), *(path for path in context if path.is_file())})


def build(*, no_cache: bool = False) -> Record:
    """Builds the image of the work tree by its version and as ``latest``, and records it."""
    named = version()
    tags = [f"{project().image}:{tag}" for tag in (named.version, "latest")]
    bases = {argument: catalogue.provide(name) for argument, name in BASES.items()}
    started = time.monotonic()
    image_id = make(ROOT, named, tags, bases, source(), no_cache=no_cache)
    record = Record(
        **asdict(named),
        image=tags[0],
        image_id=image_id,
        size=int(engine.client().images.get(image_id).attrs["Size"]),
        seconds=round(time.monotonic() - started, 2),
        base=bases["RUNTIME_IMAGE"],
        base_equivalent=any(map(catalogue.recipe, bases.values())),
    )
    before = load()
    if before and before.image_id == record.image_id and before.version == record.version:
        record = replace(record, repository=before.repository, digest=before.digest)
    save(record)
    return record


def make(
    context: Path,
    named: Version,
    tags: Sequence[str],
    bases: Mapping[str, str],
    source_url: str,
    *,
    no_cache: bool,
) -> str:
    """Builds a work tree as a version, from a source's address, and returns the image's id."""
    arguments = {
        **bases,
        "APP_VERSION": named.version,
        "GIT_COMMIT": named.revision,
        "SOURCE_URL": source_url,
        "CREATED": named.created,
        "TITLE": project().name,
    }
    return imagebuild.build(context, tags, named.created, arguments, no_cache=no_cache)


def source() -> str:
    """The address of this repository, which images bear; empty where it has none."""
    return actions.repository_url() or git.web_address()


def load() -> Record | None:
    """The last build on this machine, or None."""
    names = {field.name for field in fields(Record)}
    record = files.read_json(BUILD_RECORD, names)
    return Record(**record) if record and record.keys() == names else None


def save(record: Record) -> None:
    files.write(BUILD_RECORD, json.dumps(asdict(record), indent=2) + "\n")


def current() -> Record:
    """The last build that is still in the engine. Edits since are no error: people go on working during a deploy."""
    record = load()
    if record is None:
        raise PipelineError("no image has been built here", next_step="run ./inv build")
    if record.version != version().version:
        console.warn(f"the work tree has changed since {record.version} was built; that is used")
    try:
        # Its name may be another checkout's by now, of the same commit.
        engine.client().images.get(record.image_id).tag(record.image)
    except docker.errors.ImageNotFound as error:
        raise PipelineError(
            f"{record.image} is no longer in the Docker engine", next_step="run ./inv build"
        ) from error
    return record
