from collections.abc import Iterable, Iterator

from switch._arrays import NumberedTable
from switch._card_types import CardTypes
from switch._wide import WideTable

POINTS_CATEGORY_MAX: int
GIFTS_MAX: int
RULESETS_MAX: int

class Tables:
    card_types: CardTypes
    stores: NumberedTable
    terminals: NumberedTable
    organisations: NumberedTable
    type_states: NumberedTable
    points_categories: NumberedTable
    gifts: NumberedTable
    rulesets: NumberedTable
    card_limits: WideTable
    purses: WideTable
    holds: WideTable
    pending: WideTable
    marks: WideTable
    rules: WideTable
    prices: WideTable
    day_closes: WideTable
    medium_policies: NumberedTable
    media: WideTable
    keys: WideTable
    travels: WideTable
    alarms: WideTable
    card_keys: WideTable
    def __init__(
        self,
        cards_max: int,
        terminals_max: int,
        stores_max: int,
        accounts_max: int | None = None,
        *,
        organisations_max: int = 65_536,
        purses_max: int = 10_000,
        holds_max: int = 10_000,
        pending_points_max: int = 10_000,
        marks_max: int = 100_000,
        card_limits_max: int = 10_000,
        rules_max: int = 10_000,
        prices_max: int = 10_000,
        day_closes_max: int = 10_000,
        media_max: int = 10_000,
        card_keys_max: int = 10_000,
        alarms_max: int = 10_000,
        hash_key: bytes = ...,
    ) -> None: ...
    def counts(self) -> dict[str, int]: ...
    def records(self, kind: int) -> Iterator[bytes]: ...
    def load(self, records: Iterable[bytes]) -> None: ...
    def load_accounts_and_cards(self, accounts: Iterable[bytes], cards: Iterable[bytes]) -> None: ...
    def loaded(self) -> None: ...
    def get(self, kind: int, key: int | tuple[int, ...]) -> bytes | None: ...
    def cards_of_type(self, code: int) -> tuple[int, int]: ...
    def live_cards_of(self, account_number: int) -> int: ...
