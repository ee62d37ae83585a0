"""The unlock stage: removes a lock on an environment's state whose holder is dead."""

from pipeline import environments
from pipeline.engines import aws, terraform, terraform_root


def run(environment_name: str, lock: str) -> str:
    """Removes the lock.

    Args:
        lock: Its id, as the refusal told: only who has read that can remove it.

    Raises:
        PipelineError: The state is not locked, or by another lock.
    """
    environment = environments.load(environment_name)
    account = aws.account(environment)
    terraform.unlock(terraform_root.environment_root(environment, account.environ), lock)
    return f"the state of {environment_name} is free"
