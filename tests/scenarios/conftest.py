import pytest

from switch.protocol.records import RecordKind
from tests.twin.model import Twin

MAXIMA = {
    "accounts_max": RecordKind.ACCOUNT,
    "cards_max": RecordKind.CARD,
    "terminals_max": RecordKind.TERMINAL,
    "stores_max": RecordKind.STORE,
    "card_types_max": RecordKind.CARD_TYPE,
    "card_limits_max": RecordKind.CARD_LIMIT,
    "purses_max": RecordKind.PURSE,
    "holds_max": RecordKind.HOLD,
    "pending_max": RecordKind.PENDING_POINTS,
    "marks_max": RecordKind.MARK,
    "rules_max": RecordKind.RULE,
    "prices_max": RecordKind.PRICE,
    "day_closes_max": RecordKind.DAY_CLOSE,
}
"""Settings of a switch, as `given limit` names them, and the kind of record that they bound."""


class TwinDecider:
    """The twin, with its own entry behind those that it wrote before."""

    def __init__(self, **settings):
        maxima = {MAXIMA[name]: settings.pop(name) for name in list(settings) if name in MAXIMA}
        self.twin = Twin(maxima=maxima, **settings)

    def decide(self, terminal_id, rights, message, now_ms):
        """Whole reply and entries."""
        outcome = self.twin.decide(terminal_id, rights, message, now_ms)
        return outcome.reply, b"".join((*outcome.before, outcome.entry or b"")) or None


DECIDERS = {"twin": TwinDecider}
"""Everything that must follow the tables."""


@pytest.fixture(params=DECIDERS)
def decider(request):
    """Makes a decider without any record: `decider(timezone=…, replay=…, cards_max=…)`."""
    return DECIDERS[request.param]
