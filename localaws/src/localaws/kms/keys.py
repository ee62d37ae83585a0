"""Keys that may not be used: KMS gives their public half away no more than it signs with them."""

from typing import Any

from localaws import emulator
from localaws.emulator import kms


def install() -> None:
    emulator.wrap(kms, "_get_public_key", _get_public_key)


def _get_public_key(original: Any, data: dict[str, Any]) -> Any:
    record = kms._resolve_key(data.get("KeyId", ""))
    return (record and kms._check_key_state(record)) or original(data)
