import os

import pytest
from hypothesis import Phase, settings

from loadtests.training_keys import with_training_keys

os.environ |= with_training_keys(os.environ)  # of every switch that a test starts

pytest_plugins = ["tests.support.costs", "tests.support.features", "tests.support.pcsc", "tests.support.pos_world"]

# No deadline: how long one example takes says more about the machine's other users than about us.
# derandomize is said here too: where CI is set Hypothesis begins with a profile of its own.
settings.register_profile("random", deadline=None, derandomize=False, print_blob=True)
settings.register_profile("fuzz", settings.get_profile("random"), max_examples=20_000)
# The default run tries the same examples each time, and a failure ends it soon: making the example small can take
# minutes, and is asked for with --hypothesis-profile small.
settings.register_profile("small", settings.get_profile("random"), derandomize=True, database=None)
settings.register_profile(
    "default", settings.get_profile("small"), phases=[phase for phase in Phase if phase != Phase.shrink]
)
settings.load_profile("default")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--crash-rounds", type=int, default=20, help="rounds of kill, recover and compare")
    parser.addoption("--whole-year", action="store_true", help="replay the whole year of shopping, not only parts")
    parser.addoption("--twin-messages", type=int, default=200_000, help="messages sent to both switch and twin")


@pytest.fixture(scope="session")
def crash_rounds(request):
    """How many rounds of kill, recover and compare to run."""
    return request.config.getoption("--crash-rounds")


@pytest.fixture(scope="session")
def twin_messages(request):
    """How many messages to send to both switch and twin."""
    return request.config.getoption("--twin-messages")
