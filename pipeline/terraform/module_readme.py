"""The README of each Terraform module with terraform-docs' headings, made from its code (docs/decisions/0005):
``python -m pipeline.terraform.module_readme [--check]``."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.core.paths import TERRAFORM, shown

MARK = "<!-- Made by `./inv format` from the module's code; do not edit. -->"


def folders() -> list[Path]:
    """Every root and module."""
    return [file.parent for file in sorted(TERRAFORM.rglob("main.tf"))]


def render(folder: Path) -> str:
    """The page of one module: purpose, inputs, outputs, resources and modules."""
    code = "\n".join(file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.tf")))
    purpose = re.match(r"(?:# ?.*\n)*", (folder / "main.tf").read_text(encoding="utf-8"))
    comment = re.sub(r"^# ?", "", purpose[0] if purpose else "", flags=re.MULTILINE).strip()
    inputs = [
        (f"`{name}`", _attribute(body, "description"), _type(body), *_default(body))
        for name, body in _blocks(code, "variable")
    ]
    outputs = [
        (f"`{name}`", _attribute(body, "description")) for name, body in _blocks(code, "output")
    ]
    resources = re.findall(r'^resource "(\w+)" "(\w+)"', code, re.MULTILINE)
    modules = [
        (f"`{name}`", f"`{_attribute(body, 'source')}`") for name, body in _blocks(code, "module")
    ]
    sections = [
        f"# {'One environment' if folder == TERRAFORM else folder.name}",
        MARK,
        comment,
        _section("Inputs", "Name | Description | Type | Default | Required", inputs),
        _section("Outputs", "Name | Description", outputs),
        _section("Resources", "Name", [(f"`{kind}.{name}`",) for kind, name in resources]),
        _section("Modules", "Name | Source", modules),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def main(arguments: list[str]) -> int:
    """Writes the pages; with ``--check`` prints those that are out of date (exit 1)."""
    pages = {folder / "README.md": render(folder) for folder in folders()}
    stale = [
        page
        for page, text in pages.items()
        if not page.is_file() or page.read_text(encoding="utf-8") != text
    ]
    if "--check" in arguments:
        sys.stdout.writelines(f"{shown(page)} is out of date: run ./inv format\n" for page in stale)
        return 1 if stale else 0
    for page in stale:
        page.write_text(pages[page], encoding="utf-8")
    return 0


def _section(title: str, header: str, rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    rule = re.sub(r"\w+", "---", header)
    ordered = sorted(rows, key=lambda row: row[0].strip("`"))
    lines = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in ordered]
    return "\n".join([f"## {title}", "", *(f"| {line} |" for line in (header, rule, *lines))])


def _blocks(code: str, kind: str) -> list[tuple[str, str]]:
    return re.findall(rf'^{kind} "([\w-]+)" {{\n(.*?)^}}', code, re.DOTALL | re.MULTILINE)


def _attribute(body: str, name: str) -> str:
    match = re.search(rf'^  {name}\s+= "(.*)"$', body, re.MULTILINE)
    return match[1].replace('\\"', '"') if match else ""


def _type(body: str) -> str:
    match = re.search(r"^  type\s+= (\w+)(\([a-z]+\))?", body, re.MULTILINE)
    return f"`{match[1]}{match[2] or ''}`" if match else "`any`"


def _default(body: str) -> tuple[str, str]:
    match = re.search(r"^  default\s+= (.+)$", body, re.MULTILINE)
    return (f"`{match[1]}`", "no") if match else ("n/a", "yes")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
