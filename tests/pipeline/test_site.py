"""The documentation as a site: the pages that exist, every link followed, nothing asked of another host."""

import re
import subprocess
from pathlib import Path

import pytest

from pipeline.commands import docs
from pipeline.core import cache
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT
from pipeline.git import repository as git

ROOT_APPLICATION = "spec: {source: {repoURL: https://github.com/acme/shop.git}}\n"


def test_each_page_is_in_the_site_and_in_its_search_and_asks_no_other_host(tmp_path: Path) -> None:
    # Looked at once for the same pages: of other files it counts only that they are there, where a page links to them.
    names = "\n".join(str(file.relative_to(ROOT)) for file in git.files())
    read = git.files(
        "docs/*", "pipeline/*", "tools/*", "requirements/*", "project.yaml", "argocd/*"
    )
    key = git.content_key([Path(__file__), *read], names, git.web_address())
    cache.once("docs-site", key, lambda: _looked_at(tmp_path / "site"))


def _looked_at(site: Path) -> str:
    docs.run(site=site)
    search = (site / "search.json").read_text(encoding="utf-8")
    pages = git.files("docs/*.md")
    for page in pages:
        name = page.relative_to(ROOT / "docs").with_suffix("")
        folder = site if name.name == "index" else site / name
        assert (folder / "index.html").is_file(), name
        assert name.name == "index" or f'"{name}/"' in search
    asked = {
        tag
        for page in site.rglob("*.html")
        for tag in re.findall(r"<(?:link|script|img|iframe)\b[^>]*>", page.read_text("utf-8"))
        if re.search(r'(?:src|href)="?(?:https?:)?//', tag)
    }
    assert asked == set()
    # With a repository named there, the script of the pages asks GitHub's API.
    assert "data-md-component=source" not in (site / "index.html").read_text("utf-8").replace(
        '"', ""
    )
    return f"{len(pages)} pages"


def tree(folder: Path, **pages: str) -> Path:
    """A repository with an index and other pages."""
    for name, text in pages.items():
        (folder / "docs" / f"{name}.md").parent.mkdir(parents=True, exist_ok=True)
        (folder / "docs" / f"{name}.md").write_text(text, encoding="utf-8")
    (folder / "argocd" / "bootstrap").mkdir(parents=True)
    (folder / "argocd" / "bootstrap" / "root.yaml").write_text(ROOT_APPLICATION, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    return folder


def test_a_file_of_the_repository_is_linked_at_the_repository(tmp_path: Path) -> None:
    text = (
        "# Index\n[a](../argocd/bootstrap/root.yaml) [b](../argocd/)\n```\n[c](nowhere.md)\n```\n"
    )
    root = tree(tmp_path / "tree", index=text, apart="# Apart\nNo page leads here.\n")
    docs.run(root, tmp_path / "site")
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert 'href="https://github.com/acme/shop/blob/main/argocd/bootstrap/root.yaml"' in page
    assert 'href="https://github.com/acme/shop/tree/main/argocd"' in page
    assert 'href="./apart/"' in page, "a page that the index does not name is in the navigation"


@pytest.mark.parametrize(
    ("link", "cause"),
    [
        ("b.md#nothing", "docs/index.md:2: anchor does not exist"),
        ("c.md", "docs/index.md links to c.md, which does not exist"),
        ("../c.yaml", "docs/index.md links to ../c.yaml, which does not exist"),
    ],
)
def test_a_broken_link_fails_and_leaves_the_last_site(
    tmp_path: Path, link: str, cause: str
) -> None:
    root = tree(tmp_path / "tree", index=f"# Index\n[link]({link})\n", b="# B\n")
    (tmp_path / "site").mkdir()
    with pytest.raises(PipelineError) as error:
        docs.run(root, tmp_path / "site")
    assert error.value.cause == cause
    assert (tmp_path / "site").is_dir()
