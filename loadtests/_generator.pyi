from collections.abc import Sequence

from .plan import LinkState, Plan, RunResult

class GeneratorError(RuntimeError):
    """A run that proves nothing: an answer was wrong, missing or doubled, or a connection ended."""

class Generator:
    """Drives signed-on sockets; counters, trace numbers and nonces go on from run to run."""

    link_count: int
    window: int
    def __init__(self, links: Sequence[LinkState], window: int) -> None: ...
    def run(
        self,
        plan: Plan,
        *,
        duration_s: float,
        message_count: int | None = None,
        rate_per_s: float = 0,
        seed: int = 1,
        drain_s: float = 10,
    ) -> RunResult:
        """Send until `message_count` messages or `duration_s` seconds are reached, then wait for every answer.

        With `rate_per_s`, exactly `rate_per_s * duration_s` messages leave at even intervals whatever the replies do.
        Raises GeneratorError, after which the generator is of no more use, when an answer is wrong, doubled or missing.
        """

def openssl_version() -> str:
    """Version of the libcrypto that seals the frames."""
