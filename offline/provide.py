"""The one entry to offline/: imported only where no registry answers, no engine runs or a program is missing."""

from offline.engine import provide as docker_engine
from offline.images import build as image
from offline.node import make as node
from offline.programs import built, files, program

__all__ = ["built", "docker_engine", "files", "image", "node", "program"]
