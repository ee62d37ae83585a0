"""The images that others are built from or run beside: pulled by digest where a registry answers, else made here.

``containers/<name>/image.yaml`` says for each one which official image it is, and which Debian packages make its
equivalent. ``resolve_base`` decides image by image and says when it takes the equivalent.
"""

import hashlib
import io
import json
import os
import platform
import shlex
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker.errors
from ruamel.yaml import YAML

from offline import engine as docker_install
from pipeline.core import console, locks, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import CACHE, ROOT, log_file
from pipeline.images import docker as engine
from pipeline.images import registries

CONTAINERS = ROOT / "offline" / "containers"
ARCHIVES = CACHE / "images"
#: Changes whenever this module makes the same recipe into something else.
RECIPE_VERSION = "2"
RECIPE_LABEL = "ecs-saas-app.recipe"
#: Names of images made or tagged here, so that an official name in the engine is never overwritten.
PREFIX = "ecs-saas-app"
EPOCH = "1970-01-01T00:00:00Z"
#: A memory-backed work folder halves the time; it is used when this much memory is free.
NEEDED_MEMORY_BYTES = 3 * 2**30
UNUSED_FILES = ("/usr/share/man/*", "/usr/share/locale/*/LC_MESSAGES/*.mo", "/usr/share/doc/*")


@dataclass(frozen=True)
class Recipe:
    """One ``image.yaml``: the official image (``reference`` with tag, ``digest``) and how its equivalent is made.

    ``config`` holds what the equivalent's containers start with, in the words of the OCI image configuration.
    """

    name: str
    folder: Path
    purpose: str
    reference: str
    digest: str
    suite: str
    packages: tuple[str, ...]
    exclude: tuple[str, ...]
    config: dict[str, Any]

    @property
    def local_name(self) -> str:
        """The name that the image has in this engine, wherever it came from: ``ecs-saas-app/postgres:15-alpine``."""
        return f"{PREFIX}/{self.reference}"

    @property
    def key(self) -> str:
        """A SHA-256 over all that decides what the equivalent holds, except the state of Debian's archive."""
        digest = hashlib.sha256(f"{RECIPE_VERSION} {platform.machine()}".encode())
        for path in sorted(self.folder.iterdir()):
            digest.update(f"\0{path.name}\0".encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()


def load(name: str, containers: Path = CONTAINERS) -> Recipe:
    """Reads ``containers/<name>/image.yaml``; raises PipelineError when there is none."""
    file = containers / name / "image.yaml"
    if not file.is_file():
        raise PipelineError(
            f"there is no image recipe {name!r}", next_step=f"add containers/{name}/image.yaml"
        )
    raw: dict[str, Any] = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    upstream, equivalent = raw["upstream"], raw["equivalent"]
    return Recipe(
        name=name,
        folder=file.parent,
        purpose=raw["purpose"],
        reference=upstream["reference"],
        digest=upstream["digest"],
        suite=equivalent["suite"],
        packages=tuple(equivalent["packages"]),
        exclude=tuple(equivalent.get("exclude", ())),
        config=equivalent["config"],
    )


def resolve_base(name: str, containers: Path = CONTAINERS) -> str:
    """The reference of an image that is in the engine afterwards, by the name it has in both cases.

    Raises:
        PipelineError: No registry answers and the equivalent cannot be made here.
    """
    recipe = load(name, containers)
    engine.ensure_engine()
    with locks.exclusive(f"image-{name}", CACHE / "locks", wait=True):
        if _pulled(recipe) or _pull(recipe):
            return recipe.local_name
        if not _equivalent_present(recipe):
            console.info(
                f"  {recipe.purpose}: no registry answers, so an equivalent of {recipe.reference} "
                f"is made from Debian {recipe.suite} packages"
            )
            engine.require_space()
            _import(recipe, archive(recipe))
    return recipe.local_name


def is_equivalent(name: str) -> bool:
    """Whether the image in the engine under this recipe's name was made here (and is not the official one)."""
    try:
        found = engine.client().images.get(load(name).local_name)
    except docker.errors.ImageNotFound:
        return False
    return RECIPE_LABEL in (found.labels or {})


def ensure_postgres_image() -> str:
    """The image behind the local RDS and the chart's own database; ``ecs-saas-app/postgres:15-alpine`` in the engine.

    It keeps the official image's contract in either case (see ``offline/containers/postgres``).
    """
    return resolve_base("postgres")


def archive(recipe: Recipe) -> Path:
    """The equivalent as an archive that ``docker load`` takes; it lies in the cache and is made now if it does not.

    The key is that of the recipe; the file appears whole or not at all, and of two runs one makes it.

    Raises:
        PipelineError: This system cannot make it, or a package could not be had.
    """
    target = ARCHIVES / f"{recipe.name}-{recipe.key[:16]}.tar"
    if target.is_file():
        return target
    if not shutil.which("mmdebstrap"):
        docker_install.packages(["mmdebstrap", "debian-archive-keyring"])
    ARCHIVES.mkdir(parents=True, exist_ok=True)
    with (
        console.progress(f"{recipe.purpose} from Debian packages") as step,
        tempfile.TemporaryDirectory(dir=ARCHIVES, prefix=".making-") as folder,
    ):
        layer, partial = Path(folder) / "layer.tar", Path(folder) / target.name
        process.run(
            _in_memory(Path(folder), _mmdebstrap(recipe, layer)),
            log=log_file(f"image-{recipe.name}"),
            env={**os.environ, "SOURCE_DATE_EPOCH": "0", "TMPDIR": folder},
            on_line=lambda line: step.update(line.removeprefix("I: ")),
            next_step="read the log; check the network and Debian's package sources",
        )
        step.update("packing")
        _pack(recipe, layer, partial)
        for older in ARCHIVES.glob(f"{recipe.name}-*.tar"):
            older.unlink()
        partial.replace(target)
    return target


def _mmdebstrap(recipe: Recipe, target: Path) -> list[str | Path]:
    argv: list[str | Path] = ["mmdebstrap", "--verbose", "--variant=minbase"]
    # What a package or a hook puts under /run (a socket's folder) is part of the image.
    argv.append("--skip=cleanup/run")
    argv += [f"--include={','.join(recipe.packages)}", "--dpkgopt=force-unsafe-io"]
    for pattern in (*UNUSED_FILES, *recipe.exclude):
        argv.append(f"--dpkgopt=path-exclude={pattern}")
    argv.append("--dpkgopt=path-include=/usr/share/doc/*/copyright")
    # Without this apt takes usrmerge, which brings all of Perl, for a merge that has been made already.
    no_usrmerge = r"Package: usrmerge\nPin: release *\nPin-Priority: -1\n"
    preference = '"$1"/etc/apt/preferences.d/no-usrmerge'
    argv.append("--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr")
    argv.append(f"--setup-hook=printf '{no_usrmerge}' > {preference}")
    for moment in ("prepare", "customize"):
        script = recipe.folder / f"{moment}.sh"
        if script.is_file():
            hook = "essential" if moment == "prepare" else "customize"
            argv.append(f'--{hook}-hook={shlex.quote(str(script))} "$1"')
    argv.append(f"--customize-hook=rm {preference}")
    for scheme in ("http", "https"):
        proxy = os.environ.get(f"{scheme}_proxy") or os.environ.get(f"{scheme.upper()}_PROXY")
        if proxy:
            argv.append(f'--aptopt=Acquire::{scheme}::Proxy "{proxy}"')
    return [*argv, recipe.suite, target, *_mirror(recipe)]


def _mirror(recipe: Recipe) -> list[Path]:
    """The machine's own Debian sources where they are for the suite (a mirror may be the only way), else none."""
    sources = Path("/etc/apt/sources.list.d/debian.sources")
    try:
        os_release = Path("/etc/os-release").read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    fits = f"VERSION_CODENAME={recipe.suite}" in os_release and "\nID=debian" in f"\n{os_release}"
    return [sources] if fits and sources.is_file() else []


def _in_memory(folder: Path, argv: list[str | Path]) -> list[str | Path]:
    """The command in a mount namespace of its own with its work folder in memory, where that is possible."""
    import psutil  # noqa: PLC0415 - only when an image is made

    work = folder / "work"
    work.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(work)]
    if psutil.virtual_memory().available < NEEDED_MEMORY_BYTES or not shutil.which("unshare"):
        return argv
    tried = subprocess.run(["unshare", "--mount", *mount], capture_output=True, check=False)
    if tried.returncode != 0:
        return argv
    script = 'TMPDIR=$1; export TMPDIR; mount -t tmpfs -o mode=755 tmpfs "$1"; shift; exec "$@"'
    return ["unshare", "--mount", "sh", "-euc", script, "sh", work, *argv]


def _pulled(recipe: Recipe) -> bool:
    """Whether the official image is in the engine; tags it with our name then."""
    for registry in registries.official():
        try:
            found = engine.client().images.get(_by_digest(recipe, registry))
        except docker.errors.ImageNotFound:
            continue
        _tag(found, recipe)
        return True
    return False


def _pull(recipe: Recipe) -> bool:
    for registry in registries.official():
        if not registries.answers(registry):
            continue
        engine.require_space()
        wanted = _by_digest(recipe, registry)
        repository, _, digest = wanted.partition("@")
        try:
            with console.progress(f"{recipe.purpose} {recipe.reference} from {registry}"):
                found = engine.client().images.pull(repository, tag=digest)
        except docker.errors.APIError as error:
            console.warn(f"{wanted} could not be pulled: {error.explanation or error}")
            registries.forget(registry)
            continue
        _tag(found, recipe)
        return True
    return False


def _by_digest(recipe: Recipe, registry: str) -> str:
    repository = recipe.reference.partition(":")[0]
    return f"{registry}/{repository}@{recipe.digest}"


def _tag(image: Any, recipe: Recipe) -> None:
    repository, _, tag = recipe.local_name.rpartition(":")
    image.tag(repository, tag)


def _equivalent_present(recipe: Recipe) -> bool:
    try:
        found = engine.client().images.get(recipe.local_name)
    except docker.errors.ImageNotFound:
        return False
    return bool((found.labels or {}).get(RECIPE_LABEL) == recipe.key)


def _pack(recipe: Recipe, layer: Path, target: Path) -> None:
    """Writes an image archive of one layer; the same layer gives the same bytes, and so the same image id."""
    with layer.open("rb") as file:
        diff_id = hashlib.file_digest(file, "sha256").hexdigest()
    machine = platform.machine()
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine),
        "os": "linux",
        "created": EPOCH,
        "config": {**recipe.config, "Labels": {RECIPE_LABEL: recipe.key}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff_id}"]},
        "history": [{"created": EPOCH, "comment": f"{recipe.suite}: {' '.join(recipe.packages)}"}],
    }
    manifest = [{"Config": "config.json", "RepoTags": [recipe.local_name], "Layers": ["layer.tar"]}]
    with tarfile.open(target, "w") as archive_file:
        for name, content in (("manifest.json", manifest), ("config.json", config)):
            raw = json.dumps(content, sort_keys=True).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(raw)
            archive_file.addfile(entry, io.BytesIO(raw))
        entry = tarfile.TarInfo("layer.tar")
        entry.size = layer.stat().st_size
        with layer.open("rb") as file:
            archive_file.addfile(entry, file)


def _import(recipe: Recipe, file: Path) -> None:
    with console.progress(f"{recipe.purpose} into the engine"), file.open("rb") as content:
        engine.client().images.load(content)
    if not _equivalent_present(recipe):
        raise PipelineError(
            f"the engine did not take {recipe.local_name}",
            next_step=f"remove {file.name} from the cache and run this again; check the disk's free space",
        )
