import pytest

from tests.twin.model import Twin


def fast_path(**settings):
    from tests.support.engine import InProcessEngine

    return InProcessEngine(**settings)


DECIDERS = {"twin": Twin, "fast path": fast_path}
"""Everything that must follow the tables."""


@pytest.fixture(params=DECIDERS)
def decider(request):
    """Makes a decider without any record: `decider(timezone=…, replay=…, cards_max=…)`."""
    return DECIDERS[request.param]
