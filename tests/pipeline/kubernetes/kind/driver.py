"""Runs a function of the pipeline as a task would, in a world where kind's node image can be pulled.

Usage: driver.py IMAGE@DIGEST FUNCTION [ARGUMENT...]; FUNCTION is one of those below. The registry that stands in for
docker.io is named by the image. An engine that may not grant all privileges is taken for one that may: the test puts a
docker command before kind that asks it for those it has (see ``docker`` beside this file).
"""

import sys
from collections.abc import Callable
from dataclasses import replace

from pipeline.commands import cluster
from pipeline.core.errors import PipelineError
from pipeline.images import catalogue, docker
from pipeline.kubernetes import cluster as kubernetes
from pipeline.kubernetes import node, privileges


def up_with_registry(name: str, url: str) -> None:
    """``cluster up`` with a registry whose images really come from another address."""
    kubernetes.up({name: url})


FUNCTIONS: dict[str, Callable[..., object]] = {
    "up": cluster.up,
    "up_with_registry": up_with_registry,
    "gateway": node.gateway,
    "described": node.described,
    "status": cluster.status,
    "stop": node.stop,
    "cluster_down": cluster.down,
    "remove_ours": docker.remove_ours,
}


def main(address: str, function: str, *arguments: str) -> None:
    """Prints what the function returns."""
    digest = address.partition("@")[2]
    sources = catalogue.sources

    def stand_in(image: catalogue.Image) -> list[str]:
        return [address] if image.name == "kind" else sources(image)

    catalogue.catalogue()["kind"] = replace(catalogue.catalogue()["kind"], digest=digest)
    catalogue.sources = stand_in
    privileges.missing = list
    try:
        print(FUNCTIONS[function](*arguments))
    except PipelineError as error:
        log = error.log.read_text(encoding="utf-8")[-5000:] if error.log else ""
        sys.exit(f"{error.cause}\n{log}")


if __name__ == "__main__":
    main(*sys.argv[1:])
