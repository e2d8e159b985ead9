"""Keys of throw-away switches: of benchmarks, replays, demos and tests, which protect nothing.

Their passphrase stands here for all to read, and their keystores open in a millisecond.  A passphrase that the
environment names goes before.
"""

from __future__ import annotations

from collections.abc import Mapping

TRAINING_PASSPHRASE = "training shop: nothing to protect"
PASSPHRASE_NAMES = ("CARDSWITCH_PASSPHRASE_FILE", "CARDSWITCH_PASSPHRASE", "CREDENTIALS_DIRECTORY")


def with_training_keys(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a `cardswitch` process that opens training keys, unless it names others."""
    if any(name in environment for name in PASSPHRASE_NAMES):
        return dict(environment)
    return {**environment, "CARDSWITCH_PASSPHRASE": TRAINING_PASSPHRASE, "CARDSWITCH_KEY_COST": "training"}
