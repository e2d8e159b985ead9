import pytest
from hypothesis import settings

pytest_plugins = ["tests.support.features", "tests.support.pcsc"]

# No deadline: how long one example takes says more about the machine's other users than about us.
settings.register_profile("default", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=20_000)
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
