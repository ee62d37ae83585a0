"""Files are replaced whole, and private ones are private from the first byte on."""

from pathlib import Path

import pytest

from pipeline.core import files


def test_a_private_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    secret = tmp_path / "made" / "key.json"
    files.write(secret, "{}", mode=files.PRIVATE)
    assert secret.stat().st_mode & 0o777 == 0o600
    public = tmp_path / "page.md"
    files.write(public, "x")
    (tmp_path / "plain").touch()
    assert public.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_failed_write_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "record.json"
    files.write(record, '{"a": 1}')

    def full(_: Path, __: bytes) -> int:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        files.write(record, '{"a": 2}', mode=files.PRIVATE)
    assert files.read_json(record) == {"a": 1}
    assert list(tmp_path.iterdir()) == [record]


@pytest.mark.parametrize("content", [None, "", "{", "[1]", "null"])
def test_what_is_no_json_object_reads_as_none(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "record.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    assert files.read_json(file) is None
