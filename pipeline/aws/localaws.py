"""Client of the local AWS: runs its command, as any user would, with this checkout's ports, label and state."""

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.core import console, ports, process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import CHECKOUT_ID, CHECKOUT_LABEL, ENGINES, LOGS, ROOT
from pipeline.core.tools import python_environment
from pipeline.images import catalogue
from pipeline.images import docker as engine
from pipeline.releases import environments

_PLACE = environments.load(environments.LOCAL_ENVIRONMENT).raw["aws"]
ACCOUNT, REGION = str(_PLACE["account_id"]), str(_PLACE["region"])
STATE = ENGINES / "aws"
#: The certificate of the authority behind everything that it serves by HTTPS.
AUTHORITY = STATE / "web-ca.pem"
OWNER = CHECKOUT_ID
#: The Docker network of tasks and databases.
NETWORK = f"delivery-{OWNER}"
SOURCES = ROOT / "localaws" / "src"
#: What it, and a program that uses it, get of the user's environment: where this machine keeps what, and its network.
KEPT = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|TERM|TZ|LANG|LC_\w+|TMPDIR|XDG_\w+|NO_COLOR|CI|DOCKER_\w+|GITHUB_\w+"
    r"|(https?|all|no)_proxy|SSL_CERT_\w+|(CURL|REQUESTS)_CA_BUNDLE|TF_(PLUGIN|REGISTRY)_\w+|TF_CLI_CONFIG_FILE",
    re.IGNORECASE,
)


def registry() -> str:
    """The image registry as ``docker push`` names it, such as ``localhost:4566``."""
    return f"localhost:{ports.AWS_API}"


def url(*, https: bool = False) -> str:
    """The load balancers' port 80 or 443, as a browser reaches it."""
    if https:
        return f"https://localhost:{ports.BALANCER_HTTPS}"
    return f"http://localhost:{ports.BALANCER_HTTP}"


def process_environment(
    base: Mapping[str, str] | None = None, *, https: bool = False
) -> dict[str, str]:
    """The environment of a program that is to use the local AWS, made from ``base`` or this process's own."""
    given = _kept(os.environ if base is None else base)
    options = (*_options(), *(["--https"] if https else []))
    return given | _variables(options, tuple(given.items()))


def start(*settings: str) -> None:
    """Starts the local AWS, or uses the one of this checkout that runs already with these settings (``--auth``)."""
    options = [*_options(), *settings]
    python = python_environment("localaws") / "bin" / "python"
    if json.loads(_run(["status", "--json", *options], python=python))["current"]:
        return
    engine.client()
    with console.progress("Local AWS"):
        _run(["up", *options], python=python)


def stop(*, purge: bool = False) -> None:
    """Ends the local AWS and removes its containers; with ``purge`` also its state, volumes and network."""
    _run(["down", *_options(), *(["--purge"] if purge else [])])


def running() -> bool:
    """Whether the local AWS of this checkout runs and answers; starts nothing."""
    return bool(status()["running"])


def status() -> dict[str, Any]:
    """What ``localaws status --json`` prints: whether it runs, its servers' process ids, its addresses."""
    return dict(json.loads(_run(["status", "--json", *_options()])))


def _options() -> tuple[str, ...]:
    return (
        f"--state={STATE}",
        f"--logs={LOGS}",
        f"--api-port={ports.AWS_API}",
        f"--api-tls-port={ports.AWS_API_TLS}",
        f"--http-port={ports.BALANCER_HTTP}",
        f"--https-port={ports.BALANCER_HTTPS}",
        f"--database-port={ports.RDS_BASE}",
        f"--account={ACCOUNT}",
        f"--region={REGION}",
        f"--owner={OWNER}",
        f"--owner-label={CHECKOUT_LABEL}",
        f"--network={NETWORK}",
        f"--image-prefix={catalogue.PREFIX}/docker.io/library",
    )


def _kept(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if KEPT.fullmatch(name)}


@cache
def _variables(options: Sequence[str], environ: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """The variables that ``localaws env --json`` sets in an environment."""
    return dict(json.loads(_run(["env", "--json", *options], environ=dict(environ)))["set"])


def _run(
    arguments: list[str],
    *,
    python: Path | str = sys.executable,
    environ: Mapping[str, str] = os.environ,
) -> str:
    """The command's output; only ``up`` needs the emulator's own Python. Its errors become PipelineErrors."""
    own = {"PYTHONPATH": str(SOURCES), "PYTHONDONTWRITEBYTECODE": ""}
    try:
        return process.capture([python, "-m", "localaws", *arguments], env=_kept(environ) | own)
    except CommandFailedError as error:
        message = "".join(error.tail[-1:]).removeprefix("localaws: ")
        cause, separator, next_step = message.rpartition("; ")
        if not separator:
            raise
        raise PipelineError(cause, next_step=next_step) from error
