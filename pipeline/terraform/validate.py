"""``terraform validate`` of both roots, without a state and without AWS: ``python -m pipeline.terraform.validate``."""

import os
import sys
from pathlib import Path

from pipeline.core import process
from pipeline.core.errors import CommandFailedError
from pipeline.core.locks import exclusive
from pipeline.core.paths import LOCAL, TERRAFORM, log_file
from pipeline.core.tools import tool
from pipeline.terraform import cli


def main() -> int:
    """Prints Terraform's findings; exit 1 when there is one."""
    findings = [validate(root) for root in (TERRAFORM, TERRAFORM / "bootstrap")]
    sys.stdout.write("".join(findings))
    return 1 if any(findings) else 0


def validate(root: Path) -> str:
    """Terraform's findings in a root as it prints them, or nothing."""
    name = f"terraform-validate-{root.name}"
    environ = cli.environment(os.environ, LOCAL / "terraform" / "validate" / root.name)
    with exclusive(name, wait=True):
        try:
            for command in ("init -backend=false -lockfile=readonly", "validate"):
                argv: list[str | Path] = [tool("terraform"), *command.split(), "-no-color"]
                process.run(argv, log=log_file(name), cwd=root, env=environ)
        except CommandFailedError as error:
            return error.output
    return ""


if __name__ == "__main__":
    sys.exit(main())
