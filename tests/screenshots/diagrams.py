"""A diagram of docs/architecture.md in both colour schemes, on the backgrounds of GitHub's."""

import tempfile
from pathlib import Path

from pipeline.core.paths import ROOT
from tests.screenshots.camera import Camera

PAGE = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; padding: 24px; background: #fff } img { display: block; max-width: 100% }
@media (prefers-color-scheme: dark) { body { background: #0d1117 } }
</style><img src="SOURCE" alt="">"""


def take(camera: Camera) -> None:
    """Pictures of the diagram as a page shows it, where a script and a style of the page do not reach it."""
    source = ROOT / "docs" / "diagrams" / "aws.svg"
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(PAGE.replace("SOURCE", source.as_uri()), encoding="utf-8")
        camera.take("diagram", page.as_uri(), (900, 200), whole=True)
        camera.take("diagram-dark", page.as_uri(), (900, 200), scheme="dark", whole=True)
