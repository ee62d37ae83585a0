"""Takes the pictures of docs/screenshots anew: ``.local/venv/bin/python -m tests.screenshots [NAME…]``.

Each module beside this one takes its own; a NAME is a module's, such as comment. Needs Chromium; the comment also npm
with network, and for its diff Helm and kubectl.
"""

import importlib
import pkgutil
import sys
from collections.abc import Collection
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.conftest import BROWSER_FLAGS, chromium_program
from tests.screenshots.camera import FOLDER, LARGEST, Camera


def main(chosen: Collection[str]) -> int:
    """The exit code: 1 where a picture is too large for a repository."""
    parts = {each.name for each in pkgutil.iter_modules([str(Path(__file__).parent)])}
    parts -= {"__main__", "camera"}
    if unknown := set(chosen) - parts:
        print(f"no picture of {', '.join(sorted(unknown))}: there are {', '.join(sorted(parts))}")
        return 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_program(), args=BROWSER_FLAGS)
        for name in sorted(parts & set(chosen) or parts):
            importlib.import_module(f"tests.screenshots.{name}").take(Camera(browser))
        browser.close()
    large = [file.name for file in FOLDER.glob("*.png") if file.stat().st_size > LARGEST]
    if large:
        print(f"larger than {LARGEST} bytes: {', '.join(large)}; show less of the page")
    return 1 if large else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
