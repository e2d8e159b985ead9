"""Genuine media of test customers: what a chip, a phone, a stripe and a tag show, made with the issuer's keys."""

from __future__ import annotations

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from hsm import bar_code, cards, stripe, sun
from hsm.an10922 import diversify
from hsm.card_values import card_verification_value
from switch.protocol.messages import Evidence, KeyPurpose, MediumKind

from .examine import META_KEY_INPUT
from .receipts import MasterKeys

UID_BYTES = 7
EXPIRY_YYMM, SERVICE_CODE = "3112", "201"


class Purchase(msgspec.Struct, frozen=True, kw_only=True):
    """What a chip's cryptogram covers of a request."""

    challenge: bytes
    amount_minor: int
    transaction_type: int
    stamp_ms: int
    terminal_id: int
    currency: int = 156


def chip(key: bytes, uid: int, key_version: int, counter: int, chain: int, purchase: Purchase) -> Evidence:
    """A cryptogram over a purchase."""
    uid_bytes = uid.to_bytes(UID_BYTES, "big")
    data = cards.AcData(
        unpredictable_number=purchase.challenge,
        amount_minor=purchase.amount_minor,
        currency=purchase.currency,
        transaction_type=purchase.transaction_type,
        time_s=purchase.stamp_ms // 1000,
        terminal=f"{purchase.terminal_id:08X}".encode(),
    ).pack()
    answer = cards.generate_ac(key, key_version, counter, uid_bytes, data, chain.to_bytes(4, "big"))
    return Evidence(
        medium=MediumKind.CHIP,
        key_version=key_version,
        counter=counter,
        medium_id=uid,
        challenge=purchase.challenge,
        chain=chain,
        currency=purchase.currency,
        proof=answer.cryptogram.ljust(16, b"\0"),
    )


def chip_key(keys: MasterKeys, uid: int, key_version: int) -> bytes:
    """Key that a chip has of a version."""
    master = keys[KeyPurpose.CHIP, key_version]
    return cards.card_key(master, cards.CardPurpose.AC, key_version, uid.to_bytes(UID_BYTES, "big"))


def code_key(keys: MasterKeys, token: int, key_version: int) -> bytes:
    """Key that a phone has of a version."""
    unique = bar_code.token_unique(f"{token:011d}")
    return cards.card_key(keys[KeyPurpose.CODE, key_version], cards.CardPurpose.CODE, key_version, unique)


def code(key: bytes, token: int, key_version: int, number: int) -> Evidence:
    """What a phone shows under a number."""
    digits = int(bar_code.one_time_code(key, key_version, f"{token:011d}", number))
    proof = digits.to_bytes(4, "little").ljust(16, b"\0")
    counter = number % 100
    return Evidence(medium=MediumKind.CODE, key_version=key_version % 10, counter=counter, medium_id=token, proof=proof)


def stripe_track(keys: MasterKeys, card_number: int, key_version: int, ticket: int) -> Evidence:
    """What track 2 says with a ticket."""
    text = str(card_number)
    unique = cards.card_number_unique(text)
    master = keys[KeyPurpose.JITTER, key_version]
    key = cards.card_key(master, cards.CardPurpose.JITTER, key_version, unique)
    mac = int(stripe.ticket_mac(key, key_version, text, EXPIRY_YYMM, ticket))
    cvv = int(card_verification_value(keys[KeyPurpose.STRIPE, key_version], text, EXPIRY_YYMM, SERVICE_CODE))
    parts = ((mac, 4), (cvv, 2), (int(SERVICE_CODE), 2), (int(EXPIRY_YYMM), 2))
    proof = b"".join(value.to_bytes(width, "little") for value, width in parts).ljust(16, b"\0")
    return Evidence(medium=MediumKind.STRIPE, key_version=key_version % 10, issue=1, counter=ticket % 1000, proof=proof)


def tag(keys: MasterKeys, uid: int, key_version: int, counter: int) -> Evidence:
    """What a tag mirrors into its address at a reading."""
    master, uid_bytes = keys[KeyPurpose.TAG, key_version], uid.to_bytes(UID_BYTES, "big")
    reading = sun.TagReading(uid_bytes, counter)
    clear = b"\xc7" + uid_bytes + counter.to_bytes(3, "little") + bytes(5)
    encryptor = Cipher(AES(diversify(master, META_KEY_INPUT % key_version)), CBC(bytes(16))).encryptor()
    mac = sun.tag_mac(cards.card_key(master, cards.CardPurpose.TAG, key_version, uid_bytes), reading)
    return Evidence(medium=MediumKind.TAG, key_version=key_version, proof=encryptor.update(clear), tag_mac=mac)
