"""Builds a released image again from the commit that its provenance names, and compares the two."""

import tempfile
from pathlib import Path

from pipeline.attestations import admission
from pipeline.aws import account as aws
from pipeline.aws import registry
from pipeline.commands import Result
from pipeline.core.errors import PipelineError
from pipeline.core.paths import LOCAL, ROOT
from pipeline.git import repository as git
from pipeline.images import app as app_image
from pipeline.images import catalogue, push
from pipeline.images import docker as engine
from pipeline.releases import environments
from pipeline.releases.image_reference import ImageReference
from pipeline.releases.project import project


def run(digest: str, environment_name: str) -> Result:
    """Says whether the image of a digest is what its commit gives; an engine's cache has no part in it."""
    environment = environments.load(environment_name)
    image, account = ImageReference(environment.repository, digest), aws.account(environment)
    registry.require(account, image)
    definition = admission.provenance(account, image)["buildDefinition"]
    source, base = definition["resolvedDependencies"]
    version, revision = definition["internalParameters"]["version"], source["digest"]["gitCommit"]
    if "-dirty-" in version:
        raise PipelineError(
            f"{version} was built from a work tree that no commit has",
            next_step="name the digest of an image that was built from a commit",
        )
    bases = {argument: catalogue.provide(name) for argument, name in app_image.BASES.items()}
    named = app_image.Version(version, revision, f"{git.committed_at(revision):%Y-%m-%dT%H:%M:%SZ}")
    tag = f"{project().image}:rebuilt-{image.short}"
    LOCAL.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rebuild-", dir=LOCAL) as folder:
        tree = Path(folder) / "tree"
        git.export(revision, tree, ".", root=ROOT)
        address = source["uri"].removeprefix("git+").partition("@")[0]
        built = app_image.make(tree, named, [tag], bases, address, no_cache=True)
    engine.client().images.remove(tag)
    place, credentials = registry.reached(account, image.repository)
    if built in push.manifest(place, digest, credentials):
        return Result(
            f"{image.short} is what commit {revision[:12]} gives",
            f"### Rebuilt\n\n`{image}` is what commit `{revision}` gives: `{built}`.\n",
        )
    then, now = base["uri"], bases["RUNTIME_IMAGE"]
    raise PipelineError(
        f"commit {revision[:12]} gives {built[7:19]} here, not what {image.short} is"
        + (f": it was built on {then}, here {now} is at hand" if then != now else ""),
        next_step="compare the two by docker history; only the same bases give the same image",
    )
