"""helm: found on PATH or built with the cluster's programs; renders and checks the chart, and writes its README."""

import re
import shutil
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version
from ruamel.yaml import YAML

from offline import programs
from pipeline.core import process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import CHART

#: The chart is written and tested for helm 3; helm 4 changes hooks and output.
FROM, BELOW = Version("3.14"), Version("4")
DESCRIPTION = "# -- "
README = CHART / "README.md"


def find() -> Path | None:
    """helm where it is now, on PATH or built before; None when it is neither."""
    on_path = shutil.which("helm")
    if on_path and _fits(Path(on_path)):
        return Path(on_path)
    built = programs.built("helm")
    return built if built.is_file() else None


def program() -> Path:
    """helm, built now when it is missing.

    Raises:
        PipelineError: It is not on PATH and cannot be built.
    """
    return find() or programs.program("helm")


def template(
    *arguments: str,
    release: str = "ecs-saas-app",
    namespace: str = "default",
    values: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The chart's resources as helm renders them.

    Args:
        arguments: Further arguments, such as ``--values FILE`` or ``--set name=value``.
        values: Values as a mapping, on top of files.

    Raises:
        CommandFailedError: helm refuses; ``tail`` holds what it says.
    """
    argv = [program(), "template", release, CHART, "--namespace", namespace, *arguments]
    text = None
    if values is not None:
        stream = StringIO()
        YAML(typ="safe").dump(dict(values), stream)
        text = stream.getvalue()
        argv += ["--values", "-"]
    try:
        rendered = process.capture([str(one) for one in argv], stdin=text)
    except CommandFailedError as error:
        # helm's last words are how to see more; what is wrong stands before them.
        reasons = [line for line in error.tail if line.startswith("Error:")]
        raise CommandFailedError(
            reasons[-1] if reasons else error.cause,
            next_step="mend the chart or the values that the message names",
            log=None,
            code=error.code,
            tail=error.tail,
        ) from error
    return [one for one in YAML(typ="safe").load_all(rendered) if one]


def lint(value_files: Sequence[Path] = ()) -> None:
    """Lints the chart with its own values and with each file's.

    Raises:
        CommandFailedError: helm found something.
    """
    for file in (None, *value_files):
        more = ["--values", str(file)] if file else []
        process.capture([str(program()), "lint", "--strict", "--quiet", str(CHART), *more])


def readme() -> str:
    """The chart's README, made from Chart.yaml and the comments of values.yaml."""
    chart = YAML(typ="safe").load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    rows = [
        f"| `{name}` | `{default}` | {text.replace('|', chr(92) + '|')} |"
        for name, default, text in described((CHART / "values.yaml").read_text(encoding="utf-8"))
    ]
    return "\n".join(
        [
            f"# {chart['name']} {chart['version']}",
            "",
            "<!-- Made from values.yaml by `python -m pipeline.kubernetes.chart_readme`; lint compares. -->",
            "",
            f"{chart['description']}. Kubernetes {chart['kubeVersion'].removesuffix('-0')}.",
            "",
            "```sh",
            "cd infra/helm",
            "helm install ecs-saas-app ./ecs-saas-app --set image.repository=REPOSITORY --set image.digest=DIGEST",
            "helm upgrade ecs-saas-app ./ecs-saas-app --reuse-values --set replicaCount=5",
            "helm test ecs-saas-app",
            "helm rollback ecs-saas-app",
            "helm uninstall ecs-saas-app",
            "```",
            "",
            "Why it is built as it is: [docs/kubernetes.md](../../../docs/kubernetes.md).",
            "",
            "| Value | Default | Meaning |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def described(text: str) -> list[tuple[str, str, str]]:
    """The values that have a ``# --`` comment: dotted name, default, meaning; in the order of the file.

    Raises:
        PipelineError: A comment is not above a value.
    """
    found: list[tuple[str, str, str]] = []
    path: list[tuple[int, str]] = []
    comment = ""
    values = YAML(typ="safe").load(text)
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith(DESCRIPTION):
            comment = stripped.removeprefix(DESCRIPTION)
            continue
        match = re.match(r"( *)([A-Za-z]\w*):", line)
        if not match:
            if comment:
                raise PipelineError(
                    f"values.yaml line {number}: a comment that describes no value",
                    next_step="put it above a value",
                )
            continue
        depth, key = len(match[1]), match[2]
        path = [*(one for one in path if one[0] < depth), (depth, key)]
        if comment:
            names = [one[1] for one in path]
            found.append((".".join(names), _default(values, names), comment))
            comment = ""
    return found


def _default(values: Any, names: Sequence[str]) -> str:
    for name in names:
        values = values[name]
    if values is None:
        return "null"
    if isinstance(values, bool):
        return str(values).lower()
    if isinstance(values, list) and values:
        return ", ".join(f"{one['name']}={one['value']}" for one in values)
    if isinstance(values, dict) and values:
        return "…"
    return str(values) if values != "" else '""'


def _fits(path: Path) -> bool:
    try:
        return (
            FROM
            <= Version(
                process.capture([str(path), "version", "--template", "{{.Version}}"]).strip()
            )
            < BELOW
        )
    except (InvalidVersion, PipelineError):
        return False
