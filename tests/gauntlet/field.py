"""Faults that came from the field, or that a gate can only see since it looks: each bad change has a good twin."""

import base64
import re
import secrets
import subprocess
from pathlib import Path

from tests.gauntlet.edits import Change, Edit, append, both, replace, resource

REFERENCE = "pipeline/releases/image_reference.py"
#: A module that may start programs by itself.
REHEARSAL = "pipeline/github/rehearsal.py"
BUDGET = "infra/terraform/modules/budget"
#: Another valid digest for the base image of the build.
OTHER = f"sha256:{'ab' * 32}"


def _key(root: Path) -> None:
    name = "AKIA" + base64.b32encode(secrets.token_bytes(10)).decode()
    append("README.md", f"\n    aws_access_key_id = {name}\n")(root)


def _key_of_yesterday(root: Path) -> None:
    """A commit that adds a key, and in the work tree its removal."""
    text = (root / "README.md").read_text(encoding="utf-8")
    _key(root)
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *identity, "commit", "-qam", "Add a key"], cwd=root, check=True)
    (root / "README.md").write_text(f"{text}\nNothing here.\n", encoding="utf-8")


def _digest(*files: str) -> Edit:
    """Another base image for the build, in each of the files."""

    def edit(root: Path) -> None:
        for file in files:
            path = root / file
            text = path.read_text(encoding="utf-8")
            pattern = r"(3\.11-slim-bookworm(?:@|\n  digest: ))sha256:[0-9a-f]{64}"
            changed = re.sub(pattern, rf"\g<1>{OTHER}", text, count=1)
            assert changed != text, file
            path.write_text(changed, encoding="utf-8")

    return edit


def _function(body: str, module: str = REFERENCE) -> Edit:
    """A function at the end of a module."""
    return append(module, f'\n\ndef added() -> None:\n    """Adds nothing."""\n{body}')


BAD = (
    Change("a key in the README", "secrets", ("aws-access-token", "README.md"), _key),
    Change("a key that a later commit removes", "secrets", ("history",), _key_of_yesterday),
    Change(
        "a broken link in the docs",
        "test",
        ("test_docs.py", "nowhere.md"),
        append("docs/glossary.md", "\nSee [more](nowhere.md).\n"),
    ),
    Change(
        "a variable that docs/github.md leaves out",
        "test",
        ("test_parity.py", "AWS_ROLES"),
        replace("docs/github.md", "| `AWS_ROLES` |", "| the roles |"),
    ),
    Change(
        "an update of a folder that is not there",
        "test",
        ("test_parity.py", "dependabot"),
        replace(".github/dependabot.yml", "/localaws]", "/locallaws]"),
    ),
    Change(
        "an owner of a path that is gone",
        "test",
        ("test_parity.py", "owned_path"),
        append(".github/CODEOWNERS", "/gone/ @example/platform\n"),
    ),
    Change(
        "a package without its lock",
        "lint",
        ("Python locks", "wants left-pad", "./inv lock-dependencies"),
        append("requirements/checkov.in", "left-pad\n"),
    ),
    Change(
        "a lock of a version that nobody wants",
        "lint",
        ("Python locks", "uv==0.13.8"),
        replace("requirements/uv.in", "uv==0.13.9", "uv==0.13.8"),
    ),
    Change(
        "another base image in the Dockerfile alone",
        "test",
        ("test_catalogue.py", "BUILD_IMAGE"),
        _digest("Dockerfile"),
    ),
    Change(
        "a program that may run for ever",
        "test",
        ("test_limits.py", "without a timeout"),
        _function('    subprocess.run(["true"], check=True)\n', REHEARSAL),
    ),
    Change(
        "a client in the user's environment",
        "test",
        ("test_surroundings.py", "makes a client itself"),
        both(
            replace(REFERENCE, "\n\nfrom pipeline", "\n\nimport boto3\n\nfrom pipeline"),
            _function('    boto3.client("s3").list_buckets()\n'),
        ),
    ),
    Change(
        "a file that a test reads and whose change does not run it",
        "test",
        ("tools/tests.yaml", "no change of these runs the group app", "tests/acceptance/"),
        replace(
            "tools/tests.yaml",
            "reads: app/* tests/app/* tests/acceptance/*",
            "reads: app/* tests/app/*",
        ),
    ),
    Change(
        "an explanation that names a value that there is not",
        "test",
        ("test_errors.py", "nobody"),
        replace("pipeline/terraform/explanations.yaml", "by {who} since", "by {nobody} since"),
    ),
    Change(
        "a Terraform variable that its README does not know",
        "lint",
        ("module READMEs", f"{BUDGET}/README.md", "./inv format"),
        append(
            f"{BUDGET}/variables.tf",
            '\nvariable "added" {\n  description = "Added."\n  type        = string\n  default     = "x"\n}\n',
        ),
    ),
    Change(
        "a resource without a price",
        "test",
        ("test_cost.py", "aws_msk_cluster"),
        resource(
            "budget",
            """

            resource "aws_msk_cluster" "added" {
              cluster_name           = "added"
              kafka_version          = "3.6.0"
              number_of_broker_nodes = 2

              broker_node_group_info {
                client_subnets  = ["subnet-1", "subnet-2"]
                instance_type   = "kafka.m5.large"
                security_groups = ["sg-1"]
              }
            }
            """,
        ),
    ),
)

GOOD = (
    Change(
        "a link that leads somewhere",
        "",
        (),
        append("docs/glossary.md", "\nSee [the map](architecture.md).\n"),
        of=("a broken link in the docs",),
    ),
    Change(
        "an owner of a path that is there",
        "",
        (),
        append(".github/CODEOWNERS", "/offline/ @example/platform\n"),
        of=("an owner of a path that is gone",),
    ),
    Change(
        "updates in a group of another name",
        "",
        (),
        replace(".github/dependabot.yml", "groups:\n      actions:", "groups:\n      all-actions:"),
        of=("an update of a folder that is not there",),
    ),
    Change(
        "another base image everywhere",
        "",
        (),
        _digest("Dockerfile", "pipeline/images/images.yaml"),
        of=(
            "another base image in the Dockerfile alone",
            ":latest base image",
        ),
    ),
    Change(
        "a program with a limit",
        "",
        (),
        _function('    subprocess.run(["true"], check=True, timeout=5)\n', REHEARSAL),
        of=("a program that may run for ever",),
    ),
    Change(
        "an explanation in other words",
        "",
        (),
        replace("pipeline/terraform/explanations.yaml", "is locked by {who}", "is held by {who}"),
        of=("an explanation that names a value that there is not",),
    ),
    Change(
        "a wish that the lock fulfils",
        "",
        (),
        replace("requirements/uv.in", "uv==0.13.9", "uv>=0.13.9"),
        of=(
            "a package without its lock",
            "a lock of a version that nobody wants",
            "hash mismatch in the lock",
            "a dependency with a known vulnerability",
        ),
    ),
)
