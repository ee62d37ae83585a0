"""Puts each saved file of app/ into what runs on this machine's ECS or Kubernetes, until Ctrl-C."""

import contextlib
import io
import tarfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from watchfiles import watch

from pipeline.attestations import admission
from pipeline.aws import account as aws
from pipeline.aws import registry
from pipeline.commands import Result
from pipeline.core import console
from pipeline.core.errors import PipelineError, require_choice
from pipeline.core.locks import exclusive
from pipeline.core.paths import ROOT
from pipeline.images import app as app_image
from pipeline.images import build as imagebuild
from pipeline.images import docker, push
from pipeline.releases import environments
from pipeline.releases.environments import Environment
from pipeline.releases.image_reference import ImageReference
from pipeline.targets import TARGETS, ecs, editing, kubernetes

APP = ROOT / "app"
#: What makes an image whose code can be written, on top of the application's.
DEVELOPMENT = ROOT / "server" / "development"
#: Milliseconds after which replicas are looked at again without an edit: a new one lacks the edits so far.
LOOK_MILLISECONDS = 1000
#: The user and group that the application runs as in its image.
USER = 10001

DELIVER: dict[str, Callable[[Environment, str], str]]
DELIVER = {"ecs": ecs.follow, "kubernetes": kubernetes.deliver}
REPLICAS: dict[str, Callable[[Environment, str], Mapping[str, editing.Put]]]
REPLICAS = {"ecs": editing.on_ecs, "kubernetes": editing.on_kubernetes}


def run(to: str) -> Result:
    """Ends at Ctrl-C, when the image that ran before runs again; raises PipelineError where the target does not run."""
    require_choice("target", to, DELIVER)
    environment = environments.load(environments.LOCAL_ENVIRONMENT)
    state = TARGETS[to].observe(environment)
    if state is None:
        raise PipelineError(
            f"{to} does not run here", next_step=f"run ./inv deploy --to {to} first"
        )
    before = state.image.partition("@")[2]
    with exclusive("deploy"):
        started = time.time()
        record = app_image.build()
        name = _writable(record)
        account = aws.account(environment)
        place, credentials = registry.reached(account, environment.repository)
        digest = push.push(name, place, name.rpartition(":")[2], credentials).digest
        # Neither bill nor scan of the image that it is made from is its own.
        own = replace(record, image=name, image_id=name)
        admission.attest(account, ImageReference(environment.repository, digest), own)
        try:
            with console.progress(f"{to}: an image whose code can be written"):
                DELIVER[to](environment, digest)
            console.info(f"Edit app/: {state.url} shows what is saved. Ctrl-C ends this.")
            with contextlib.suppress(KeyboardInterrupt):
                _follow(lambda: REPLICAS[to](environment, digest), since=started)
        finally:
            with console.progress(f"{to}: the image that ran before"):
                DELIVER[to](environment, before)
    return Result(f"{to} runs {before[7:19]} again; ./inv deploy --to {to} delivers the edits")


def _writable(record: app_image.Record) -> str:
    """The name of an image made from a build, with a tag that no other content has."""
    name = f"{record.image}-dev"
    image_id = imagebuild.build(DEVELOPMENT, [name], record.created, {"IMAGE": record.image})
    unique = f"{name}-{image_id[7:19]}"
    docker.client().images.get(image_id).tag(unique)
    return unique


def archive(paths: Iterable[Path]) -> bytes:
    """A tar of files below app/ as their replicas get them: readable for the application's user."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for path in sorted(path for path in paths if path.is_file()):
            entry = tar.gettarinfo(path, str(path.relative_to(APP)))
            entry.uid = entry.gid = USER
            entry.mode |= 0o444
            with path.open("rb") as file:
                tar.addfile(entry, file)
    return content.getvalue()


def _follow(replicas: Callable[[], Mapping[str, editing.Put]], *, since: float) -> None:
    """Gives every replica what was edited ``since`` (seconds of the epoch), whenever that or the replicas change."""
    edited = {file for file in APP.rglob("*.*") if file.stat().st_mtime > since}
    content, placed = archive(edited) if edited else b"", dict[str, bytes]()
    for changes in watch(APP, rust_timeout=LOOK_MILLISECONDS, yield_on_timeout=True):
        started = time.monotonic()
        if changes:
            edited |= {Path(path) for _, path in changes}
            content = archive(edited)
        if not content:
            continue
        behind = {name: put for name, put in replicas().items() if placed.get(name) != content}
        for name, put in behind.items():
            put(content)
            placed[name] = content
        if behind:
            names = (
                ", ".join(sorted({Path(path).name for _, path in changes})) or "the edits so far"
            )
            seconds = time.monotonic() - started
            console.info(f"  {names}: in {len(behind)} replicas, {seconds:.1f} s")
