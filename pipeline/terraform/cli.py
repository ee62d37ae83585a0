"""Terraform's CLI configuration and environment: the provider from a local mirror where there is one."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.core import files
from pipeline.core.errors import PipelineError
from pipeline.core.paths import CACHE, LOCAL, TERRAFORM
from pipeline.core.tools import platform

PROVIDER = "registry.terraform.io/hashicorp/aws"
CONFIGURATION = """\
provider_installation {{
  filesystem_mirror {{
    path    = "{mirror}"
    include = ["{provider}"]
  }}
  direct {{
    exclude = ["{provider}"]
  }}
}}
"""
#: Names a folder that holds ``registry.terraform.io/hashicorp/aws/…``.
MIRROR_VARIABLE = "TF_PLUGIN_MIRROR"
#: Where software that no package manager owns usually lies; searched two folders deep.
SOFTWARE_ROOTS = ("/opt", "/usr/local/share", "/usr/local/lib", "/usr/share", "/usr/lib", "/srv")
#: Arguments, workspaces and variables from outside would change what a plan means.
FOREIGN = ("TF_CLI_ARGS", "TF_VAR_", "TF_WORKSPACE", "TF_CLI_CONFIG_FILE")

#: How often, and for how many seconds, Terraform asks a registry: once and ten by default, which a busy one misses.
PATIENCE = {"TF_REGISTRY_DISCOVERY_RETRY": "5", "TF_REGISTRY_CLIENT_TIMEOUT": "30"}


def environment(environ: Mapping[str, str], data: Path) -> dict[str, str]:
    """The environment variables for Terraform, whose providers and modules are installed in ``data``."""
    variables = {name: value for name, value in environ.items() if not name.startswith(FOREIGN)}
    own = environ.get("TF_CLI_CONFIG_FILE", "")
    file = configuration(environ) or (own if Path(own).is_file() else None)
    if file:
        variables["TF_CLI_CONFIG_FILE"] = str(file)
    elif not (Path.home() / ".terraformrc").is_file():
        cache = CACHE / "terraform-plugins"
        cache.mkdir(parents=True, exist_ok=True)
        variables.setdefault("TF_PLUGIN_CACHE_DIR", str(cache))
    for name, value in PATIENCE.items():
        variables.setdefault(name, value)
    fixed = {"TF_DATA_DIR": str(data), "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    return variables | fixed


def locked_version() -> str:
    """The provider's version in the dependency lock file, or nothing."""
    text = (TERRAFORM / ".terraform.lock.hcl").read_text(encoding="utf-8")
    match = re.search(rf'provider "{re.escape(PROVIDER)}" {{\s+version\s+= "([^"]+)"', text)
    return match[1] if match else ""


def find_mirror(environ: Mapping[str, str], roots: Iterable[str] = SOFTWARE_ROOTS) -> Path | None:
    """The folder of a filesystem mirror that has the locked provider for this machine, or None."""
    below = Path(PROVIDER) / locked_version() / platform()
    if named := environ.get(MIRROR_VARIABLE):
        if not (Path(named) / below).is_dir():
            raise PipelineError(
                f"{MIRROR_VARIABLE} names {named}, which has no {below}",
                next_step=f"correct or unset {MIRROR_VARIABLE}",
            )
        return Path(named)
    for root in map(Path, roots):
        for depth in ("", "*/", "*/*/"):
            for provider in sorted(root.glob(f"{depth}{below}")):
                return provider.parents[len(below.parts) - 1]
    return None


def configuration(environ: Mapping[str, str]) -> Path | None:
    """The CLI configuration for a mirror; None where there is none, which leaves the user's own in force."""
    mirror = find_mirror(environ)
    if mirror is None:
        return None
    target = LOCAL / "terraform" / "cli.tfrc"
    files.write(target, CONFIGURATION.format(mirror=mirror, provider=PROVIDER))
    return target
