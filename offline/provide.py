"""The one entry to offline/: imported only where no registry answers, no engine runs or a program is missing."""

from collections.abc import Callable
from pathlib import Path

from offline import engine, images, programs
from offline.node import make as node


def docker_engine(reason: str, answers: Callable[[], bool]) -> None:
    """Installs and starts Docker's engine, and waits until it answers.

    Args:
        reason: Why the engine that should be there cannot be used.

    Raises:
        PipelineError: This machine or user cannot have one, or it did not start.
    """
    engine.provide(reason, answers)


def image(name: str, tag: str) -> None:
    """Builds an image under a tag, unless the engine has it from the same recipe.

    Raises:
        PipelineError: A package, a module or a program could not be had, or a step of its Dockerfile failed.
    """
    images.build(name, tag)


def program(name: str) -> Path:
    """The path of a program of ``offline/cluster/programs.yaml``, built from source now if it is missing.

    Raises:
        PipelineError: Go is missing, or a build failed.
    """
    return programs.program(name)


def built(name: str) -> Path | None:
    """The path of a program that was built before."""
    path = programs.built(name)
    return path if path.is_file() else None


def files(name: str) -> Path:
    """The folder with the files of a Go module that ``programs.yaml`` lists, fetched now if missing."""
    return programs.files(name)


__all__ = ["built", "docker_engine", "files", "image", "node", "program"]
