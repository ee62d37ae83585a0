"""A stand-in for OSV, the source of advisories about Python packages."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipeline.scanners.osv import KNOWN_BAD
from tests.answering import Handler, served


@contextmanager
def knowing(
    advisories: Mapping[str, str], records: Mapping[str, Mapping[str, Any]] | None = None
) -> Iterator[str]:
    """The address for ``OSV_API`` of a source that knows one advisory for each of these package URLs.

    It knows as well the package by which the scan judges its source.

    Args:
        records: What it knows of an advisory; by default it is severe and fixed.
    """
    known = {**advisories, KNOWN_BAD: "GAUNTLET-0"}

    class Osv(Handler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            queries = json.loads(self.rfile.read(size))["queries"]
            names = [known.get(query["package"]["purl"]) for query in queries]
            results = [{"vulns": [{"id": name}]} if name else {} for name in names]
            self.answer(json.dumps({"results": results}).encode())

        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            fixed = {"affected": [{"ranges": [{"events": [{"fixed": "999"}]}]}]}
            content = json.dumps({"id": name, **fixed, **(records or {}).get(name, {})}).encode()
            self.answer(content)

    with served(Osv) as url:
        yield url
