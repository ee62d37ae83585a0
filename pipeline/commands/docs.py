"""Builds ``docs/`` as a site with Zensical: a broken link or anchor fails; no page asks another host."""

import json
import os
import re
import shutil
import tempfile
from pathlib import Path

from pipeline.commands import Result
from pipeline.core import console, files, process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import LOCAL, ROOT, log_file, shown
from pipeline.core.tools import tool
from pipeline.git import repository as git
from pipeline.releases.project import project

SITE = LOCAL / "site"
#: A link's target without its anchor; code blocks are cut out before.
LINK = re.compile(r"(?<=\]\()[^)#\s:]+(?=[#)])")
#: A warning of Zensical, with the place below it.
WARNING = re.compile(r"Warning: (.+)\n.*?\[ (\S+?:\d+):\d+ \]")
COLOUR = re.compile(r"\x1b\[[\d;]*m")
THEME = {
    "font": False,  # else the pages ask Google for fonts
    "features": ["content.code.copy", "navigation.footer", "navigation.top", "search.highlight"],
    "palette": [
        {"media": "(prefers-color-scheme: light)", "scheme": "default"},
        {"media": "(prefers-color-scheme: dark)", "scheme": "slate"},
    ],
}


def run(root: Path = ROOT, site: Path = SITE) -> Result:
    """Builds the site into a folder; raises PipelineError with the page and line of each broken link."""
    program, log = tool("zensical"), log_file("docs")
    with console.progress("docs"), tempfile.TemporaryDirectory() as folder:
        pages = _copy(root, Path(folder) / "docs")
        # Not repo_url: with it each page asks GitHub's API for the number of stars. JSON is YAML.
        settings = {
            "site_name": project().title,
            "theme": THEME,
            "nav": _navigation(root, pages),
            "extra": {"social": [{"icon": "fontawesome/brands/git-alt", "link": _address(root)}]},
        }
        files.write(Path(folder) / "mkdocs.yml", json.dumps(settings))
        try:
            process.run(
                [program, "build", "--strict"],
                log=log,
                cwd=Path(folder),
                env={**os.environ, "NO_COLOR": "1"},
            )
        except CommandFailedError as error:
            found = WARNING.findall(COLOUR.sub("", error.output))
            if not found:
                raise
            causes = sorted(f"docs/{place}: {what}" for what, place in found)
            raise PipelineError(
                "; ".join(causes), next_step="correct these links", log=log
            ) from error
        shutil.rmtree(site, ignore_errors=True)
        shutil.move(Path(folder) / "site", site)
    return Result(
        f"{len(pages)} pages in {shown(site)}; look at them with python3 -m http.server -d {shown(site)}"
    )


def _copy(root: Path, into: Path) -> list[str]:
    """Copies the pages and pictures; returns the pages. Links to other files lead to the repository's address."""
    pages = []
    for file in git.files("docs/*", root=root):
        name = file.relative_to(root / "docs")
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".md":
            pages.append(str(name))
            files.write(target, _linked(file, root))
        else:
            shutil.copy2(file, target)
    return pages


def _linked(page: Path, root: Path) -> str:
    address = _address(root)
    # Text and code blocks take turns.
    parts = re.split(r"(^```.*?^```)", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for number in range(0, len(parts), 2):
        parts[number] = LINK.sub(lambda link: _target(link[0], page, root, address), parts[number])
    return "".join(parts)


def _target(link: str, page: Path, root: Path, address: str) -> str:
    path = (page.parent / link).resolve()
    if not path.exists():
        raise PipelineError(
            f"{page.relative_to(root)} links to {link}, which does not exist",
            next_step="correct this link",
        )
    if path.is_file() and path.is_relative_to(root / "docs"):
        return link
    return f"{address}/{'tree' if path.is_dir() else 'blob'}/main/{path.relative_to(root)}"


def _address(root: Path) -> str:
    """The repository's: the checkout's origin, else the one that Argo CD reads."""
    application = files.read_yaml(root / "argocd" / "bootstrap" / "root.yaml")
    named = str(application["spec"]["source"]["repoURL"])
    return git.web_address(root=root) or named.removesuffix(".git")


def _navigation(root: Path, pages: list[str]) -> list[object]:
    """The pages in the order of the index, then folder by folder, of those that there are."""
    index = (root / "docs" / "index.md").read_text(encoding="utf-8")
    named = [page for page in ["index.md", *LINK.findall(index)] if page in pages]
    rest = [page for page in pages if page not in named]
    folders = dict.fromkeys(page.partition("/")[0] for page in rest if "/" in page)
    return [
        *dict.fromkeys(named),
        *(page for page in rest if "/" not in page),
        *(
            {folder.title(): [page for page in rest if page.startswith(f"{folder}/")]}
            for folder in folders
        ),
    ]
