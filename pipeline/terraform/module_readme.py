"""The README of each Terraform module, made from its code: ``python -m pipeline.terraform.module_readme [--check]``."""

import re
import sys
from pathlib import Path

from pipeline.core.paths import TERRAFORM, shown

MARK = "<!-- Made by `./inv format` from the module's code; do not edit. -->"


def folders() -> list[Path]:
    """Every module and every root."""
    modules = sorted(path for path in (TERRAFORM / "modules").iterdir() if path.is_dir())
    return [TERRAFORM, TERRAFORM / "bootstrap", *modules]


def render(folder: Path) -> str:
    """The page of one module: what it is for, what it takes, what it gives, what it makes."""
    title = "One environment" if folder == TERRAFORM else folder.name
    parts = [f"# {title}", MARK, _purpose(folder)]
    variables = _blocks(folder, "variable")
    if variables:
        rows = [
            f"| `{name}` | {_line(_value(body, 'description'))} | `{_type(body)}` | {_default(body)} |"
            for name, body in sorted(variables)
        ]
        parts.append(
            "\n".join(
                [
                    "## Takes",
                    "",
                    "| variable | what | type | default |",
                    "| --- | --- | --- | --- |",
                    *rows,
                ]
            )
        )
    outputs = _blocks(folder, "output")
    if outputs:
        rows = [
            f"| `{name}` | {_line(_value(body, 'description'))} |" for name, body in sorted(outputs)
        ]
        parts.append("\n".join(["## Gives", "", "| output | what |", "| --- | --- |", *rows]))
    made = sorted({kind for kind, _ in _resources(folder)})
    if made:
        parts.append("\n".join(["## Makes", "", *(f"- `{kind}`" for kind in made)]))
    calls = sorted(name for name, _ in _blocks(folder, "module"))
    if calls:
        parts.append("\n".join(["## Is made of", "", *(f"- `{name}`" for name in calls)]))
    return "\n\n".join(parts) + "\n"


def main(arguments: list[str]) -> int:
    """Writes the pages; with ``--check`` only names those that are out of date (exit 1)."""
    stale = []
    for folder in folders():
        page, text = folder / "README.md", render(folder)
        if not page.is_file() or page.read_text(encoding="utf-8") != text:
            stale.append(shown(page))
            if "--check" not in arguments:
                page.write_text(text, encoding="utf-8")
    if "--check" in arguments and stale:
        sys.stdout.write(
            "".join(f"{name}: not what the code says; run ./inv format\n" for name in stale)
        )
        return 1
    return 0


def _purpose(folder: Path) -> str:
    comment = re.match(r"((?:# ?.*\n)+)", (folder / "main.tf").read_text(encoding="utf-8"))
    lines = comment.group(1).splitlines() if comment else []
    return "\n".join(line.removeprefix("#").strip() for line in lines) or "No description."


def _text(folder: Path) -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.tf")))


def _blocks(folder: Path, kind: str) -> list[tuple[str, str]]:
    return re.findall(rf'^{kind} "(\w+)" {{\n(.*?)^}}', _text(folder), re.S | re.M)


def _resources(folder: Path) -> list[tuple[str, str]]:
    return re.findall(r'^resource "(\w+)" "(\w+)"', _text(folder), re.M)


def _value(body: str, name: str) -> str:
    found = re.search(rf'^  {name}\s+= "(.*)"$', body, re.M)
    return found.group(1).replace('\\"', '"') if found else ""


def _type(body: str) -> str:
    found = re.search(r"^  type\s+= ([a-z(]+\)?|[a-z]+\([a-z]+\))", body, re.M)
    return found.group(1).rstrip("(") if found else ""


def _default(body: str) -> str:
    found = re.search(r"^  default\s+= (.+)$", body, re.M)
    return f"`{found.group(1)}`" if found else "needed"


def _line(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
