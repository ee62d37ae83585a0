"""Takes a picture of a page, as its reader's screen and colour scheme have it."""

from dataclasses import dataclass
from typing import Literal

from playwright.sync_api import Browser

from pipeline.core.paths import ROOT

FOLDER = ROOT / "docs" / "screenshots"
#: Bytes of one picture.
LARGEST = 300_000
DESKTOP, PHONE = (1200, 1000), (390, 844)


@dataclass(frozen=True)
class Camera:
    """A browser whose pictures lie in docs/screenshots."""

    browser: Browser

    def take(
        self,
        name: str,
        url: str,
        size: tuple[int, int] = DESKTOP,
        *,
        scheme: Literal["light", "dark"] = "light",
        whole: bool = False,
    ) -> None:
        """Writes NAME.png, of what the screen shows or, ``whole``, of the page to its end."""
        width, height = size
        context = self.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            reduced_motion="reduce",
        )
        page = context.new_page()
        page.goto(url, wait_until="networkidle")
        FOLDER.mkdir(exist_ok=True)
        file = FOLDER / f"{name}.png"
        page.screenshot(path=file, full_page=whole)
        context.close()
        print(f"{file.relative_to(ROOT)}: {file.stat().st_size} bytes")
