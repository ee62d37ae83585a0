"""What the engine tells the two server processes, by environment variables of the prefix ``LOCALAWS_``."""

import os
from dataclasses import dataclass
from pathlib import Path

PREFIX = "LOCALAWS_"


@dataclass(frozen=True)
class Settings:
    """The settings of one local AWS.

    Attributes:
        api_port: The AWS API and the image registry, on loopback.
        api_tls_port: The AWS API by HTTPS, for what a policy allows over TLS alone.
        moto_port: CloudWatch alarms and Application Auto Scaling, on loopback.
        http_port: Front door of the listeners on port 80.
        https_port: Front door of the listeners on port 443.
        account: The twelve-digit account that the credentials stand for.
        region: The one region.
        network: Docker network of tasks and databases; its DNS serves the databases' names.
        label_key: Docker label on everything that is started.
        label_value: Its value, which names the checkout.
        state: Folder of the state that outlives the processes.
        cpu_quota: Cap a task's CPU as Fargate does, instead of only weighing it.
    """

    api_port: int
    api_tls_port: int
    moto_port: int
    http_port: int
    https_port: int
    account: str
    region: str
    network: str
    label_key: str
    label_value: str
    state: Path
    cpu_quota: bool = False

    @property
    def registry(self) -> str:
        """The registry as the Docker engine reaches it."""
        return f"localhost:{self.api_port}"

    @property
    def labels(self) -> dict[str, str]:
        """Docker labels of everything that is started."""
        return {self.label_key: self.label_value}

    def variables(self) -> dict[str, str]:
        """The settings as environment variables, as ``from_environment`` reads them."""
        return {f"{PREFIX}{name.upper()}": str(value) for name, value in vars(self).items()}


def from_environment() -> Settings:
    """The settings that the engine passed; raises KeyError when one is missing."""

    def text(name: str) -> str:
        return os.environ[f"{PREFIX}{name}"]

    return Settings(
        api_port=int(text("API_PORT")),
        api_tls_port=int(text("API_TLS_PORT")),
        moto_port=int(text("MOTO_PORT")),
        http_port=int(text("HTTP_PORT")),
        https_port=int(text("HTTPS_PORT")),
        account=text("ACCOUNT"),
        region=text("REGION"),
        network=text("NETWORK"),
        label_key=text("LABEL_KEY"),
        label_value=text("LABEL_VALUE"),
        state=Path(text("STATE")),
        cpu_quota=text("CPU_QUOTA") == "True",
    )
