import pytest

from .deciders import DECIDERS


@pytest.fixture(params=DECIDERS)
def decider(request):
    """Makes a decider without any record: `decider(timezone=…, replay=…, cards_max=…)`."""
    return DECIDERS[request.param]
