"""Reviewed exceptions to the destroy guard and the budget (``infra/terraform/acknowledged.yaml``)."""

from collections.abc import Collection

from pipeline.core.paths import TERRAFORM
from pipeline.releases import documents

FILE = TERRAFORM / "acknowledged.yaml"


def committed(environment: str) -> Collection[str]:
    """The addresses of resources whose loss, and of the setting whose excess, was reviewed; raises PipelineError."""
    addresses = documents.load(FILE).get(environment) if FILE.is_file() else None
    if not isinstance(addresses or [], list) or not all(
        isinstance(each, str) for each in addresses or ()
    ):
        raise documents.refusal(FILE, f"{environment} is not a list of addresses")
    return tuple(addresses or ())
