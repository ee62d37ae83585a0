"""A local AWS: ministack, wrapped at one exact version so that production Terraform behaves as on AWS."""


class LocalAwsError(Exception):
    """Why a command cannot do its job, in one line, and what the user does next."""

    def __init__(self, cause: str, next_step: str) -> None:
        super().__init__(f"{cause}; {next_step}")
