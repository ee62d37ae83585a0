"""Does every journey against an address: ``python -m tests.acceptance URL [--host NAME --ca FILE]``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx

from tests.acceptance import journeys


def main(arguments: Sequence[str]) -> int:
    """Prints the journeys that passed, and the problem of the first that did not; then the exit code is 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance", description=__doc__)
    parser.add_argument("url", help="where the application answers")
    parser.add_argument("--host", default="", help="the host name, where the URL's is another one")
    parser.add_argument("--ca", type=Path, help="the certificate of the authority to trust")
    options = parser.parse_args(arguments)
    for journey in journeys.JOURNEYS:
        try:
            journey(lambda: journeys.Browser(options.url, host=options.host, ca=options.ca))
        except journeys.JourneyFailedError as error:
            print(f"journey {journey.__name__} at {options.url}: {error}")
            return 1
        except httpx.HTTPError as error:
            print(f"{options.url} does not answer: {error}")
            return 1
        print(f"journey {journey.__name__}: passed", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
