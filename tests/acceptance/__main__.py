"""Does every journey against an address: ``python -m tests.acceptance URL [--host NAME --ca FILE]``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx

from tests.acceptance import journeys


def main(arguments: Sequence[str]) -> str:
    """Returns the first problem, with the journey that met it; empty when all journeys went well."""
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance", description=__doc__)
    parser.add_argument("url", help="where the application answers")
    parser.add_argument("--host", default="", help="the host name, where the URL's is another one")
    parser.add_argument("--ca", type=Path, help="the certificate of the authority to trust")
    options = parser.parse_args(arguments)
    for journey in journeys.JOURNEYS:
        try:
            journey(lambda: journeys.Browser(options.url, host=options.host, ca=options.ca))
        except journeys.JourneyFailedError as error:
            return f"journey {journey.__name__} at {options.url}: {error}"
        except httpx.HTTPError as error:
            return f"{options.url} does not answer: {error}"
        print(f"journey {journey.__name__}: passed", flush=True)
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
