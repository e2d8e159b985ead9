"""Chips and phones as customers carry them: they make their proofs with `hsm.cards`, as a card supplier would."""

from __future__ import annotations

from dataclasses import dataclass, field

from hsm.bar_code import SEQUENCE_WINDOW, one_time_code, sequence_at, token_unique
from hsm.cards import AcAnswer, AcData, CardPurpose, accept_issuer_answer, card_key, generate_ac
from switch.protocol.messages import Evidence, IssuerAnswer, MediumKind

CURRENCY = 156
DEBIT_TYPE = 0
COMMAND_KEY = 0x0100
"""Added to a key version: go over to it."""


@dataclass
class Chip:
    """One IC, with a key for each version that its supplier put on it."""

    uid: int
    card_number: int
    keys: dict[int, bytes]
    version: int = 1
    counter: int = 0
    chain: int = 0
    stored_key: bool = False
    pin: bytes = b""
    """What its holder types with every payment."""
    answered: dict[int, AcAnswer] = field(default_factory=dict)

    @classmethod
    def personalised(cls, uid: int, card_number: int, masters: dict[int, bytes]) -> Chip:
        """A new chip with derived keys, that starts with the lowest version."""
        unique = uid.to_bytes(7, "big")
        keys = {version: card_key(master, CardPurpose.AC, version, unique) for version, master in masters.items()}
        return cls(uid, card_number, keys, min(keys))

    @property
    def held(self) -> int:
        """Highest version that it holds."""
        return max(self.keys)

    def pay(self, amount_minor: int, challenge: bytes, terminal_id: int, stamp_ms: int, version: int = 0) -> Evidence:
        """GENERATE AC; with another version than its own as a copy of its older self would."""
        version = version or self.version
        self.counter += 1
        data = AcData(
            challenge, amount_minor, CURRENCY, DEBIT_TYPE, stamp_ms // 1000, f"{terminal_id:08X}".encode()
        ).pack()
        uid, chain = self.uid.to_bytes(7, "big"), self.chain.to_bytes(4, "big")
        answer = generate_ac(self.keys[version], version, self.counter, uid, data, chain)
        self.answered[self.counter] = answer
        return Evidence(
            medium=MediumKind.CHIP,
            key_version=version,
            counter=self.counter,
            medium_id=self.uid,
            challenge=challenge,
            chain=self.chain,
            currency=CURRENCY,
            proof=answer.cryptogram.ljust(16, b"\0"),
        )

    def hear(self, said: IssuerAnswer) -> None:
        """EXTERNAL AUTHENTICATE: take the new chain value, and go over to another key when told to."""
        answer = self.answered[self.counter]
        data = said.next.to_bytes(4, "big") + said.command.to_bytes(2, "big") + bytes(2) + said.mac
        heard = accept_issuer_answer(self.keys[answer.key_version], self.uid.to_bytes(7, "big"), answer, data)
        assert heard is not None, "the issuer's answer does not fit"
        self.chain = int.from_bytes(heard[0], "big")
        if heard[1]:
            self.version = heard[1] - COMMAND_KEY


@dataclass
class Phone:
    """One enrolled device that shows dynamic codes."""

    token: int
    card_number: int
    key: bytes
    version: int = 1
    used: int = 0
    stored_key: bool = False

    @classmethod
    def enrolled(cls, token: int, card_number: int, master: bytes, version: int) -> Phone:
        """With the derived key of a version."""
        unique = token_unique(f"{token:011}")
        return cls(token, card_number, card_key(master, CardPurpose.CODE, version, unique), version)

    def show(self, now_ms: int) -> Evidence | None:
        """A code that was not used yet, or none: there are ten for each half minute."""
        now = sequence_at(now_ms // 1000)
        sequence = max(self.used + 1, now - SEQUENCE_WINDOW + 5)
        if sequence > now + SEQUENCE_WINDOW - 5:
            return None
        self.used = sequence
        code = int(one_time_code(self.key, self.version, f"{self.token:011}", sequence))
        return Evidence(
            medium=MediumKind.CODE,
            key_version=self.version % 10,
            counter=sequence % 100,
            medium_id=self.token,
            proof=code.to_bytes(4, "little").ljust(16, b"\0"),
        )
