"""What checkov is given to look at."""

import subprocess
from pathlib import Path

import pytest

from pipeline.scanners import checkov


@pytest.mark.parametrize("place", ["checkout", ".local/pipeline/jobs/tests/checkout"])
def test_it_is_what_git_would_take_wherever_the_checkout_lies(tmp_path: Path, place: str) -> None:
    root = tmp_path / place
    for name in ("infra/main.tf", "tests/wrong.tf", ".local/kept.tf", "chart/tests/pod.yaml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x\n", encoding="utf-8")
    (root / ".gitignore").write_text(".local/\n", encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)

    into = tmp_path / "copy"
    checkov.copy(root, into)

    found = {str(file.relative_to(into)) for file in into.rglob("*") if file.is_file()}
    assert found == {".gitignore", "infra/main.tf", "chart/tests/pod.yaml"}
