"""Renders, lints and documents the Helm chart."""

import copy
import functools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.core import process
from pipeline.core.errors import CommandFailedError
from pipeline.core.paths import CHART
from pipeline.core.tools import tool
from pipeline.kubernetes.programs import program

README = CHART / "README.md"


def template(
    *arguments: str,
    release: str = CHART.name,
    namespace: str = "default",
    values: Mapping[str, Any] | None = None,
    chart: Path = CHART,
) -> list[dict[str, Any]]:
    """The chart's resources as helm renders them; a CommandFailedError's ``tail`` holds helm's messages."""
    argv: list[str | Path] = [program("helm"), "template", release, chart]
    argv += ["--namespace", namespace, *arguments]
    argv += ["--values", "-"] if values is not None else []
    try:
        # JSON is YAML.
        rendered = process.capture(argv, stdin=json.dumps(values))
    except CommandFailedError as error:
        # helm's last line is how to see more; the reason stands before it, in one line or more.
        said = "\n".join(error.tail).partition("Error:")[2].partition("Use --debug")[0]
        raise CommandFailedError(
            " ".join(f"Error:{said}".split()) if said else error.cause,
            next_step="fix the chart or the values that the message names",
            log=None,
            code=error.code,
            tail=error.tail,
        ) from error
    return objects(rendered)


def objects(text: str) -> list[dict[str, Any]]:
    """The objects of a stream of YAML; a document that was read before is not parsed again.

    Parsing takes longer than helm, and two renderings differ in a few objects.
    """
    documents = map(_document, re.split(r"^---(?=\s)", text, flags=re.M))
    return [copy.deepcopy(document) for document in documents if document]


@functools.lru_cache(maxsize=1000)
def _document(text: str) -> dict[str, Any] | None:
    document: dict[str, Any] | None = YAML(typ="safe").load(text)
    return document


def write_readme_command() -> list[str | Path]:
    """The command that writes the chart's README from README.md.gotmpl and the ``# --`` comments of values.yaml."""
    options = ["--sort-values-order", "file", "--ignore-non-descriptions", "--log-level", "warning"]
    return [tool("helm-docs"), "--chart-search-root", CHART, *options]


def compare_readme_command() -> list[str | Path]:
    """The command that fails, with the difference, when the README is not what helm-docs would write."""
    return ["sh", "-c", '"$@" --dry-run | diff "$0" -', README, *write_readme_command()]
