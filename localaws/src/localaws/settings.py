"""The settings of one local AWS: the options of ``localaws up``, kept in its state folder for its server."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_args

from localaws import files

#: An option that is not given on the command line comes from the variable of this prefix, such as LOCALAWS_API_PORT.
VARIABLES = "LOCALAWS_"
_FILE = "settings.json"


@dataclass(frozen=True)
class Settings:
    """Each field is an option of the same name, with its help; ``complete`` fills in defaults that depend on others."""

    state: Annotated[Path, "folder of all that outlives the server"] = Path(".localaws")
    logs: Annotated[Path, "folder of the server's log (<state>/logs)"] = Path()
    api_port: Annotated[int, "AWS API and image registry"] = 4566
    api_tls_port: Annotated[int, "AWS API by HTTPS"] = 4568
    http_port: Annotated[int, "load balancers' listeners on port 80"] = 8080
    https_port: Annotated[int, "load balancers' listeners on port 443"] = 8443
    database_port: Annotated[int, "first port of the databases"] = 15432
    account: Annotated[str, "account of the credentials"] = "123456789012"
    region: Annotated[str, "the one region"] = "us-east-1"
    owner: Annotated[str, "value of the Docker label (a hash of the state folder's path)"] = ""
    owner_label: Annotated[str, "Docker label on all that is started"] = "localaws.owner"
    network: Annotated[str, "Docker network of tasks and databases (localaws-<owner>)"] = ""
    image_prefix: Annotated[str, "prefix of the database images, such as registry.example.com"] = ""
    auth: Annotated[bool, "check identities and IAM policies; otherwise all is allowed"] = False
    cpu_quota: Annotated[bool, "cap a task's CPU as Fargate does, instead of weighing it"] = False

    @property
    def registry(self) -> str:
        """The registry as the Docker engine reaches it."""
        return f"localhost:{self.api_port}"

    @property
    def labels(self) -> dict[str, str]:
        """Docker labels of all that is started; ``owner_label`` alone may also be on what others have started."""
        return {self.owner_label: self.owner, "localaws": "true"}

    @property
    def authority(self) -> Path:
        """The certificate of the authority behind all that is served by HTTPS."""
        return self.state / "web-ca.pem"

    def write(self, fingerprint: str) -> None:
        record = asdict(self) | {"fingerprint": fingerprint}
        files.write(self.state / _FILE, json.dumps(record, default=str, indent=1).encode())


def complete(values: Mapping[str, Any]) -> Settings:
    """Settings from those that are given, as text or in their own type; absolute paths, and no empty names."""
    given = {option.name: _typed(option, values) for option in fields(Settings)}
    state = given["state"] = given["state"].absolute()
    given["logs"] = given["logs"].absolute() if values.get("logs") else state / "logs"
    given["owner"] = given["owner"] or hashlib.sha256(str(state).encode()).hexdigest()[:8]
    given["network"] = given["network"] or f"localaws-{given['owner']}"
    return Settings(**given)


def from_environment() -> dict[str, str]:
    names = {f"{VARIABLES}{option.name.upper()}": option.name for option in fields(Settings)}
    return {names[key]: value for key, value in os.environ.items() if key in names and value}


def recorded(state: Path) -> dict[str, Any]:
    """What the last ``localaws up`` on this folder has kept, with ``fingerprint``; empty when there was none."""
    try:
        record = json.loads((state / _FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _typed(option: "Field[Any]", values: Mapping[str, Any]) -> Any:
    value = values.get(option.name, option.default)
    kind, _help = get_args(option.type)
    if kind is bool and isinstance(value, str):
        return value.lower() in ("1", "true", "yes")
    return kind(value)
