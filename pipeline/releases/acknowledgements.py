"""Reviewed exceptions to the destroy guard (``infra/terraform/acknowledged.yaml``)."""

from collections.abc import Collection
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.core.errors import PipelineError
from pipeline.core.paths import TERRAFORM

FILE = TERRAFORM / "acknowledged.yaml"


def committed(environment: str, file: Path = FILE) -> Collection[str]:
    """The addresses of resources whose loss was reviewed; raises PipelineError for a file of another form."""
    if not file.is_file():
        return ()
    try:
        content = YAML(typ="safe").load(file.read_text(encoding="utf-8")) or {}
        addresses = content.get(environment) or []
        if not isinstance(addresses, list) or not all(isinstance(each, str) for each in addresses):
            raise ValueError
    except (YAMLError, AttributeError, ValueError) as error:
        raise PipelineError(
            f"{file.name} is not a mapping of environments to lists of addresses",
            next_step="write it as its first comment shows",
        ) from error
    return tuple(addresses)
