"""Image layers as files; ministack would hold them in memory and write them into its JSON state."""

import hashlib
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

from localaws import emulator, files
from localaws.emulator import ecr, responses


class Blobs(MutableMapping[str, bytes]):
    """Digest → content, one file each. What cannot be read back is as if it were not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def __getitem__(self, digest: str) -> bytes:
        try:
            return self._file(digest).read_bytes()
        except FileNotFoundError:
            raise KeyError(digest) from None

    def __setitem__(self, digest: str, content: bytes) -> None:
        files.write(self._file(digest), content)

    def __delitem__(self, digest: str) -> None:
        self._file(digest).unlink()

    def __contains__(self, digest: object) -> bool:
        return isinstance(digest, str) and self._file(digest).is_file()

    def __iter__(self) -> Iterator[str]:
        return (
            file.name.replace("-", ":", 1)
            for file in self.folder.iterdir()
            if not file.name.endswith(".partial")
        )

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, bytes]:
        """Nothing: what is on disk already need not be in a snapshot."""
        return {}

    def _file(self, digest: str) -> Path:
        return self.folder / digest.replace(":", "-", 1)


def install(folder: Path) -> None:
    """Keeps the layers of all repositories under ``folder``."""

    def attach(account: str, region: str, name: str) -> None:
        key = hashlib.sha256(f"{account}/{region}/{name}".encode()).hexdigest()[:16]
        ecr._layer_blobs.set_scoped(account, region, name, Blobs(folder / key))

    def create(original: Any, data: Any) -> Any:
        response = original(data)
        if response[0] == 200:  # noqa: PLR2004 - HTTP status
            attach(ecr.get_account_id(), ecr.get_region(), data["repositoryName"])
        return response

    def restore(original: Any, data: Any) -> Any:
        result = original(data)
        for (account, region, name), _repository in ecr._repositories.all_items():
            attach(account, region, name)
        return result

    def delete(original: Any, data: Any) -> Any:
        blobs = ecr._layer_blobs.get(data.get("repositoryName"))
        response = original(data)
        if response[0] == 200 and isinstance(blobs, Blobs):  # noqa: PLR2004 - HTTP status
            blobs.clear()
        return response

    def select(original: Any, name: Any, *request: Any) -> None:
        """Docker sends no account: a repository is looked for in all of them."""
        original(name, *request)
        scopes = [key for key, _ in ecr._repositories.all_items() if key[2] == name]
        if scopes and name not in ecr._repositories:
            account, region, _ = scopes[0]
            responses.set_request_account_id(account)
            responses.set_request_region(region)

    emulator.wrap(ecr, "_create_repository", create)
    emulator.wrap(ecr, "_select_registry_request_scope", select)
    emulator.wrap(ecr, "_delete_repository", delete)
    emulator.wrap(ecr, "load_persisted_state", restore)
