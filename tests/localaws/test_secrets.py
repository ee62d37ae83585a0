"""The module of secrets, applied by Terraform: which key a task is told to accept besides the present one."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.aws import localaws
from pipeline.core import tools
from pipeline.core.paths import TERRAFORM
from pipeline.terraform import cli
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


@pytest.mark.usefixtures("running")
def test_only_a_secret_that_was_rotated_has_a_key_before(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(ROOT_MODULE % (TERRAFORM / "modules" / "secrets"), "utf-8")
    shutil.copy(TERRAFORM / ".terraform.lock.hcl", tmp_path)
    environ = cli.environment(localaws.process_environment(), tmp_path / "data")

    def terraform(*arguments: str) -> str:
        done = subprocess.run(
            [tools.tool("terraform"), *arguments],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def applied(version: int) -> Any:
        """What a task gets as the key before, once this version is there."""
        terraform("apply", "-auto-approve", "-no-color", f"-var=secret_key_version={version}")
        return json.loads(terraform("output", "-json")).get("previous", {}).get("value")

    terraform("init", "-no-color", "-lockfile=readonly")
    assert applied(3) is None, "a new environment of a file that has seen rotations"
    named = applied(4)
    assert named.endswith("::AWSPREVIOUS:")
    secrets, arn = World("", "", []).client("secretsmanager"), named.removesuffix("::AWSPREVIOUS:")
    values = [
        secrets.get_secret_value(SecretId=arn, VersionStage=stage)["SecretString"]
        for stage in ("AWSPREVIOUS", "AWSCURRENT")
    ]
    assert values[0] != values[1]
    terraform("destroy", "-auto-approve", "-no-color", "-var=secret_key_version=4")
