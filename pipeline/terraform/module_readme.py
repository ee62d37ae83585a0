"""The README of each Terraform module with terraform-docs' headings, made from its code (docs/decisions/0005):
``python -m pipeline.terraform.module_readme [--check]``."""

import re
import sys
from pathlib import Path

from pipeline.core import markdown
from pipeline.core.paths import TERRAFORM, shown

MARK = "<!-- Made by `./inv format` from the module's code; do not edit. -->"
#: Kind of block, heading and columns of each table.
TABLES = (
    ("variable", "Inputs", ("Name", "Description", "Type", "Default", "Required")),
    ("output", "Outputs", ("Name", "Description")),
    ("resource", "Resources", ("Name",)),
    ("module", "Modules", ("Name", "Source")),
)


def render(folder: Path) -> str:
    """The page of one module: its purpose (the comment at the top of main.tf) and a table for each kind of block."""
    code = "\n".join(file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.tf")))
    comment = re.match(r"(?:#.*\n)*", (folder / "main.tf").read_text(encoding="utf-8"))
    purpose = re.sub(r"^# ?", "", comment[0] if comment else "", flags=re.MULTILINE).strip()
    parts = [f"# {'One environment' if folder == TERRAFORM else folder.name}", MARK, purpose]
    for kind, heading, columns in TABLES:
        blocks = re.findall(rf"^{kind} (.*?) {{\n(.*?)^}}", code, re.DOTALL | re.MULTILINE)
        rows = sorted((_cells(*block) for block in blocks), key=lambda row: row["Name"].strip("`"))
        if rows:
            cells = ([row[name] for name in columns] for row in rows)
            parts.append("\n".join([f"## {heading}\n", *markdown.table(columns, cells)]))
    return "\n\n".join(parts) + "\n"


def main(arguments: list[str]) -> int:
    """Writes the pages; with ``--check`` prints those that are out of date (exit 1)."""
    stale = {}
    for file in sorted(TERRAFORM.rglob("main.tf")):
        page, text = file.with_name("README.md"), render(file.parent)
        if not page.is_file() or page.read_text(encoding="utf-8") != text:
            stale[page] = text
    if "--check" in arguments:
        sys.stdout.writelines(f"{shown(page)} is out of date: run ./inv format\n" for page in stale)
        return 1 if stale else 0
    for page, text in stale.items():
        page.write_text(text, encoding="utf-8")
    return 0


def _cells(labels: str, body: str) -> dict[str, str]:
    attributes = dict(re.findall(r"^  (\w+)\s+= (.*)$", body, re.MULTILINE))
    text = {key: value.strip('"').replace('\\"', '"') for key, value in attributes.items()}
    name = labels.replace('" "', ".").strip('"')
    return {
        "Name": f"`{name}`",
        "Description": text.get("description", "").replace("|", "\\|"),
        "Type": f"`{attributes.get('type', 'any').removesuffix('({')}`",
        "Default": f"`{attributes['default']}`" if "default" in attributes else "n/a",
        "Required": "no" if "default" in attributes else "yes",
        "Source": f"`{text.get('source', '')}`",
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
