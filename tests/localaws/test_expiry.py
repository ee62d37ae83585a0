"""The registry's lifecycle policy, as Terraform makes it: what an environment runs never expires."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from localaws.ecr import lifecycle

from pipeline.aws import localaws
from pipeline.aws.registry import keep
from pipeline.core.errors import PipelineError
from pipeline.core.paths import TERRAFORM
from pipeline.core.tools import tool
from pipeline.images import referrers, registries
from pipeline.releases.image_reference import ImageReference
from pipeline.terraform import cli
from tests.localaws.conftest import World

PUSHED = 101
MONTH = 30 * 24 * 3600
REPOSITORY = f"{localaws.ACCOUNT}.dkr.ecr.{localaws.REGION}.amazonaws.com/expiry"
MODULE = """
provider "aws" {{}}
module "registry" {{
  source      = "{source}"
  name        = "expiry"
  kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/1"
}}
"""
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def registry(world: World, tmp_path: Path) -> Iterator[Any]:
    """A client of the registry that the HCL makes; each test has an empty one."""
    source = TERRAFORM / "modules" / "registry"
    (tmp_path / "main.tf").write_text(MODULE.format(source=source), encoding="utf-8")
    environ = cli.environment(localaws.process_environment(), tmp_path / "data")
    for arguments in (["init"], ["apply", "-auto-approve"]):
        argv = [str(tool("terraform")), *arguments, "-input=false", "-no-color"]
        done = subprocess.run(
            argv, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    client = world.client("ecr")
    yield client
    client.delete_repository(repositoryName="expiry", force=True)


def pushed(registry: Any, number: int) -> ImageReference:
    """Pushes an image by its version's tag."""
    image = registry.put_image(
        repositoryName="expiry",
        imageManifest=json.dumps({"schemaVersion": 2, "annotations": {"number": str(number)}}),
        imageManifestMediaType=MANIFEST,
        imageTag=f"0.0.{number}",
    )["image"]
    return ImageReference(REPOSITORY, image["imageId"]["imageDigest"])


def expiring(registry: Any) -> list[str]:
    """The digests that ECR would expire now."""
    registry.start_lifecycle_policy_preview(repositoryName="expiry")
    preview = registry.get_lifecycle_policy_preview(repositoryName="expiry")
    return [image["imageDigest"] for image in preview["previewResults"]]


@pytest.mark.engine
def test_what_an_environment_runs_never_expires(registry: Any) -> None:
    images = [pushed(registry, number) for number in range(PUSHED)]
    # Pushed within a second: ECR's order is not known, so any image can be the oldest.
    (oldest,) = expiring(registry)
    production = ImageReference(REPOSITORY, oldest)
    assert production in images
    for _ in range(2):
        keep(registry, production, "production")
    assert expiring(registry) == []
    pushed(registry, PUSHED)
    (another,) = expiring(registry)
    assert another != oldest
    tags = registry.describe_images(repositoryName="expiry", imageIds=[{"imageDigest": oldest}])
    assert f"deployed-production-{production.short}" in tags["imageDetails"][0]["imageTags"]
    with pytest.raises(PipelineError, match="has no image"):
        keep(registry, ImageReference(REPOSITORY, f"sha256:{'0' * 64}"), "production")


def image(tags: list[str], pushed_at: int) -> lifecycle.Image:
    return {"imageDigest": "".join(tags) or "none", "imageTags": tags, "imagePushedAt": pushed_at}


def test_a_rule_spares_from_later_ones_what_its_tags_match() -> None:
    selections = [
        {"tagStatus": "tagged", "tagPatternList": ["a-*"], "countNumber": 1},
        {"tagStatus": "any", "countNumber": 2},
    ]
    rules = [
        {"rulePriority": number, "selection": {"countType": "imageCountMoreThan", **selection}}
        for number, selection in enumerate(selections, start=1)
    ]
    images = [image(["a-1"], 1), image(["a-2"], 2), image(["b-1"], 3), image([], 4), image([], 5)]
    chosen = lifecycle.expiring(json.dumps({"rules": rules}), images, 6)
    assert [(each["imageDigest"], rule) for each, rule in chosen] == [("a-1", 1), ("b-1", 2)]


def test_an_untagged_image_expires_by_its_age() -> None:
    selection = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days"}
    rules = [{"rulePriority": 1, "selection": {**selection, "countNumber": 7}}]
    images = [image([], 0), image([], 24 * 3600), image(["a"], 0)]
    chosen = lifecycle.expiring(json.dumps({"rules": rules}), images, 7 * 24 * 3600 + 1)
    assert [each["imagePushedAt"] for each, _ in chosen] == [0]


@pytest.mark.engine
def test_what_is_attested_of_an_image_stays_as_long_as_the_image(registry: Any) -> None:
    place = f"{localaws.registry()}/expiry"
    content = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "layers": []}).encode()
    registries.call(
        "PUT",
        place,
        "manifests/0.0.0",
        None,
        statuses=(201,),
        headers={"Content-Type": MANIFEST},
        content=content,
    )
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    oldest, here = (ImageReference(name, digest) for name in (REPOSITORY, place))
    referrers.attach(here, "application/x-attestation", b"signed", {}, None)
    keep(registry, oldest, "production")
    for number in range(1, PUSHED):
        pushed(registry, number)
    gone = expiring(registry)
    (attested,) = registry.list_images(repositoryName="expiry", filter={"tagStatus": "UNTAGGED"})[
        "imageIds"
    ]
    assert attested["imageDigest"] not in gone
    assert referrers.attached(here, "application/x-attestation", None) == [b"signed"]
    # What was pushed above is of one second: whether a rule hits the oldest shows only with times of their own.
    policy = registry.get_lifecycle_policy(repositoryName="expiry")["lifecyclePolicyText"]
    statement = image([], 0)
    later = [image([f"0.0.{number}"], number) for number in range(1, PUSHED)]
    images = [image(["deployed-production-1"], 0), statement, *later]
    assert statement not in [each for each, _ in lifecycle.expiring(policy, images, MONTH)]
