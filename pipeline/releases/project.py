"""The application that this repository delivers, as ``project.yaml`` names it."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT

FILE = ROOT / "project.yaml"


@dataclass(frozen=True)
class Probes:
    """Paths of the application that answer whether it lives, is ready, and which version it is."""

    live: str
    ready: str
    version: str


@dataclass(frozen=True)
class Project:
    """The fields of ``project.yaml``; ``migrate`` and ``smoke`` are command lines, empty where there is none."""

    name: str
    title: str
    image: str
    package: str
    port: int
    probes: Probes
    migrate: tuple[str, ...]
    smoke: tuple[str, ...]


def load(file: Path = FILE) -> Project:
    """Reads a project file; raises PipelineError where it is missing, not YAML, or lacks a field."""
    try:
        raw: dict[str, Any] = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
        return Project(
            name=str(raw["name"]),
            title=str(raw["title"]),
            image=str(raw["image"]),
            package=str(raw["package"]),
            port=int(raw["port"]),
            probes=Probes(**raw["probes"]),
            migrate=tuple(raw.get("migrate") or ()),
            smoke=tuple(raw.get("smoke") or ()),
        )
    except (OSError, YAMLError, KeyError, TypeError, ValueError) as error:
        raise PipelineError(
            f"{file.name} cannot be used: {' '.join(str(error).split())}",
            next_step="compare it with docs/reference/project.md",
        ) from error


@cache
def project() -> Project:
    """The project of this checkout, read once."""
    return load()
