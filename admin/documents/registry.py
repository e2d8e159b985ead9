"""Which kinds of documents there are: each area has a module with `KINDS`."""

from __future__ import annotations

from . import card_state_kinds
from .kind import kinds_by_name

KINDS = kinds_by_name([card_state_kinds.KINDS])
