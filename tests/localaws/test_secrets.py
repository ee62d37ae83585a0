"""The module of secrets, applied by Terraform: which key a task is told to accept besides the present one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.paths import TERRAFORM
from tests.localaws.conftest import World

pytestmark = pytest.mark.engine

ROOT_MODULE = """
variable "secret_key_version" { type = number }
module "secrets" {
  source               = "%s"
  name                 = "rotated"
  kms_key_arn          = "arn:aws:kms:us-east-1:123456789012:key/1"
  recovery_window_days = 0
  application          = []
  secret_key_version   = var.secret_key_version
}
output "previous" { value = module.secrets.previous_secret_key_arn }
"""


def test_only_a_secret_that_was_rotated_has_a_key_before(
    terraform: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "main.tf").write_text(ROOT_MODULE % (TERRAFORM / "modules" / "secrets"), "utf-8")

    def applied(version: int) -> Any:
        """What a task gets as the key before, once this version is there."""
        terraform("apply", "-auto-approve", f"-var=secret_key_version={version}")
        return json.loads(terraform("output", "-json")).get("previous", {}).get("value")

    terraform("init", "-lockfile=readonly")
    assert applied(3) is None, "a new environment of a file that has seen rotations"
    named = applied(4)
    assert named.endswith("::AWSPREVIOUS:")
    secrets, arn = World("", "", []).client("secretsmanager"), named.removesuffix("::AWSPREVIOUS:")
    values = [
        secrets.get_secret_value(SecretId=arn, VersionStage=stage)["SecretString"]
        for stage in ("AWSPREVIOUS", "AWSCURRENT")
    ]
    assert values[0] != values[1]
    terraform("destroy", "-auto-approve", "-var=secret_key_version=4")
