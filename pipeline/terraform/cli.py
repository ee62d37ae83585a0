"""How Terraform finds its provider: a local mirror where there is one, else the registry."""

import platform
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.core import files
from pipeline.core.errors import PipelineError
from pipeline.core.paths import CACHE, LOCAL, TERRAFORM

PROVIDER = "registry.terraform.io/hashicorp/aws"
#: Names a folder that holds ``registry.terraform.io/hashicorp/aws/…``.
MIRROR_VARIABLE = "TF_PLUGIN_MIRROR"
#: Where software that no package manager owns usually lies; searched two folders deep.
SOFTWARE_ROOTS = ("/opt", "/usr/local/share", "/usr/local/lib", "/usr/share", "/usr/lib", "/srv")


def locked_version(lock_file: Path = TERRAFORM / ".terraform.lock.hcl") -> str:
    """The provider's version in a dependency lock file."""
    text = lock_file.read_text(encoding="utf-8")
    match = re.search(rf'provider "{re.escape(PROVIDER)}" {{\s+version\s+= "([^"]+)"', text)
    if not match:
        raise PipelineError(
            f"{lock_file.name} does not lock {PROVIDER}",
            next_step="restore the file from Git",
        )
    return match.group(1)


def find_mirror(environ: Mapping[str, str], roots: Iterable[str] = SOFTWARE_ROOTS) -> Path | None:
    """The folder of a filesystem mirror that has the locked provider for this machine, or None.

    Raises:
        PipelineError: ``TF_PLUGIN_MIRROR`` names a folder without it.
    """
    below = Path(PROVIDER) / locked_version() / _platform()
    named = environ.get(MIRROR_VARIABLE)
    if named:
        if not (Path(named) / below).is_dir():
            raise PipelineError(
                f"{MIRROR_VARIABLE} names {named}, which has no {below}",
                next_step=f"correct or unset {MIRROR_VARIABLE}",
            )
        return Path(named)
    for root in roots:
        for depth in ("", "*/", "*/*/"):
            for candidate in sorted(Path(root).glob(f"{depth}registry.terraform.io")):
                if (candidate.parent / below).is_dir():
                    return candidate.parent
    return None


def configuration(environ: Mapping[str, str]) -> Path | None:
    """The CLI configuration to use: ours under ``.local``, or None to leave Terraform its own.

    A configuration that the user has (named by ``TF_CLI_CONFIG_FILE`` or ``~/.terraformrc``) stays in
    force as long as no mirror is named or found. One that does not exist is ignored.
    """
    mirror = find_mirror(environ)
    named = environ.get("TF_CLI_CONFIG_FILE")
    if mirror is None:
        if named and Path(named).is_file():
            return Path(named)
        if (Path.home() / ".terraformrc").is_file():
            return None
    target = LOCAL / "terraform" / "cli.tfrc"
    text = _from_mirror(mirror) if mirror else _from_registry()
    if not target.is_file() or target.read_text(encoding="utf-8") != text:
        files.write(target, text)
    return target


def _from_mirror(mirror: Path) -> str:
    return f"""\
disable_checkpoint = true

provider_installation {{
  filesystem_mirror {{
    path    = "{mirror}"
    include = ["{PROVIDER}"]
  }}

  direct {{
    exclude = ["{PROVIDER}"]
  }}
}}
"""


def _from_registry() -> str:
    cache = CACHE / "terraform-plugins"
    cache.mkdir(parents=True, exist_ok=True)
    return f'disable_checkpoint = true\nplugin_cache_dir   = "{cache}"\n'


def _platform() -> str:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"{platform.system().lower()}_{machine}"
