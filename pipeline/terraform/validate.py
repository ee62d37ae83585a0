"""``terraform validate`` of both roots, without a state and without AWS: ``python -m pipeline.terraform.validate``."""

import json
import os
import sys
from pathlib import Path

from pipeline.core import cache as passes
from pipeline.core import process
from pipeline.core.errors import CommandFailedError
from pipeline.core.locks import exclusive
from pipeline.core.paths import LOCAL, TERRAFORM, log_file
from pipeline.core.tools import tool
from pipeline.git import repository as git
from pipeline.terraform import cli as terraform_cli


def main() -> int:
    """Prints every finding with its place; exit 1 when there is one."""
    findings = [line for root in (TERRAFORM, TERRAFORM / "bootstrap") for line in validate(root)]
    sys.stdout.write("".join(f"{line}\n" for line in findings))
    return 1 if findings else 0


def validate(root: Path) -> list[str]:
    """What is wrong with a root: ``file:line summary: detail``, one a line."""
    data = LOCAL / "terraform" / "validate" / root.name
    environ = {**os.environ, "TF_DATA_DIR": str(data), "CHECKPOINT_DISABLE": "1"}
    configuration = terraform_cli.configuration(os.environ)
    environ.pop("TF_CLI_CONFIG_FILE", None)
    if configuration:
        environ["TF_CLI_CONFIG_FILE"] = str(configuration)

    def init() -> str:
        process.run(
            [tool("terraform"), "init", "-backend=false", "-lockfile=readonly", "-no-color"],
            log=log_file(f"terraform-validate-{root.name}"),
            cwd=root,
            env=environ,
        )
        return "initialised"

    with exclusive(f"terraform-validate-{root.name}", wait=True):
        sources = git.files("infra/terraform/*.tf", "infra/terraform/*.terraform.lock.hcl")
        key = git.content_key(sources, str(data))
        passes.once(f"terraform-validate-{root.name}", key, init, made=data)
        try:
            text = process.capture([tool("terraform"), "validate", "-json"], cwd=root, env=environ)
        except CommandFailedError as error:
            text = "\n".join(error.tail)
    document = json.loads(text)
    return [_line(root, one) for one in document["diagnostics"]]


def _line(root: Path, one: dict[str, object]) -> str:
    place = one.get("range")
    where = ""
    if isinstance(place, dict):
        where = f"{(root / place['filename']).resolve().relative_to(TERRAFORM.resolve())}:{place['start']['line']} "
    return f"{where}{one.get('summary')}: {str(one.get('detail', '')).splitlines()[0]}"


if __name__ == "__main__":
    sys.exit(main())
