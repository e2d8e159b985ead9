from itertools import count

import pytest

from tests.twin.model import Twin


def twin(directory, **settings):
    return Twin(**settings)


def fast_path(directory, **settings):
    from tests.twin.engine import InProcessEngine

    return InProcessEngine(directory, **settings)


DECIDERS = {"twin": twin, "fast path": fast_path}
"""Everything that must follow the tables."""


@pytest.fixture(params=DECIDERS)
def decider(request, tmp_path):
    """Makes a decider without any record: `decider(timezone=…, replay=…, cards_max=…)`."""
    number = count()
    return lambda **settings: DECIDERS[request.param](tmp_path / str(next(number)), **settings)
