"""``terraform validate`` of both roots, without a state and without AWS: ``python -m pipeline.terraform.validate``."""

import os
import sys
from pathlib import Path

from pipeline.core import cache, process
from pipeline.core.errors import CommandFailedError
from pipeline.core.locks import exclusive
from pipeline.core.paths import LOCAL, TERRAFORM, log_file
from pipeline.core.tools import tool
from pipeline.git import repository as git
from pipeline.terraform import cli


def main() -> int:
    """Prints Terraform's findings; exit 1 when there is one."""
    findings = [validate(root) for root in (TERRAFORM, TERRAFORM / "bootstrap")]
    sys.stdout.write("".join(findings))
    return 1 if any(findings) else 0


def validate(root: Path) -> str:
    """Terraform's findings in a root as it prints them, or nothing."""
    name = f"terraform-validate-{root.name}"
    data = LOCAL / "terraform" / "validate" / root.name
    environ = cli.environment(os.environ, data)
    log = log_file(name)

    def terraform(*arguments: str) -> None:
        process.run([tool("terraform"), *arguments, "-no-color"], log=log, cwd=root, env=environ)

    def init() -> str:
        terraform("init", "-backend=false", "-lockfile=readonly")
        return "initialised"

    with exclusive(name, wait=True):
        sources = git.files("infra/terraform/*.tf", "infra/terraform/*.terraform.lock.hcl")
        try:
            cache.once(name, git.content_key(sources, str(data)), init, made=data)
            terraform("validate")
        except CommandFailedError:
            return log.read_text(encoding="utf-8")
    return ""


if __name__ == "__main__":
    sys.exit(main())
