"""What Terraform itself refuses is shown by lint with its place."""

from pathlib import Path

import pytest

from pipeline.terraform import validate


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(validate, "LOCAL", tmp_path / "local")
    return tmp_path


def test_every_finding_is_shown_with_its_place(root: Path) -> None:
    outputs = [f'output "o{number}" {{\n  value = var.missing\n}}\n' for number in range(5)]
    (root / "outputs.tf").write_text("".join(outputs), encoding="utf-8")
    findings = validate.validate(root)
    assert findings.count("Reference to undeclared input variable") == 5
    assert 'on outputs.tf line 14, in output "o4"' in findings


def test_a_sound_root_has_no_findings(root: Path) -> None:
    (root / "outputs.tf").write_text('output "x" {\n  value = 1\n}\n', encoding="utf-8")
    assert validate.validate(root) == ""
