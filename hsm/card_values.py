"""Card verification values CVV, CVV2 and iCVV, and the Visa PIN verification value; all with TDES keys.

The CVV proves that an issuer with the CVK pair made the number, expiry and service code. It does not stop a copy that
carries all of them: the three values differ so that what is read from one place (stripe, chip, print) is no use in
another.
"""

from hsm._primitives import Buffer, des_encrypt, digits, key_view, tdes_encrypt, xor

CHIP_SERVICE_CODE = "999"  # iCVV: the stripe's image inside a chip
PRINTED_SERVICE_CODE = "000"  # CVV2: printed, for sales at a distance
_PAN_DIGITS = range(8, 20)
_LETTERS = "abcdef"


def card_verification_value(cvk: Buffer, card_number: str, expiry_yymm: str, service_code: str) -> str:
    """CVV of 3 digits: for the stripe with its own service code, for chip and print with the constants above.

    `cvk` is the pair A|B of 16 bytes. Number, expiry and service code are joined, zeros to 32 digits; the first half
    is enciphered with A, XORed with the second, enciphered with A, deciphered with B, enciphered with A; digits in
    order, then letters as digits (a=0). CVV2 takes the expiry as MMYY in the Visa scheme: we use YYMM throughout.
    """
    digits(card_number, _PAN_DIGITS, "a card number")
    digits(expiry_yymm, range(4, 5), "an expiry")
    digits(service_code, range(3, 4), "a service code")
    key = key_view(cvk, (16,), "a CVK pair")
    data = bytes.fromhex((card_number + expiry_yymm + service_code).ljust(32, "0"))
    return _decimalised(tdes_encrypt(key, xor(des_encrypt(key[:8], data[:8]), data[8:])).hex(), 3)


def pin_verification_value(pvk: Buffer, card_number: str, key_index: int, pin: str) -> str:
    """PVV of 4 digits: TDES over the 11 digits before the check digit, PVK index (0 to 9) and 4 PIN digits."""
    digits(card_number, range(12, 20), "a card number")
    digits(str(key_index), range(1, 2), "a PVK index")
    digits(pin, range(4, 13), "a PIN")
    data = bytes.fromhex(card_number[-12:-1] + str(key_index) + pin[:4])
    return _decimalised(tdes_encrypt(key_view(pvk, (16,), "a PVK pair"), data).hex(), 4)


def _decimalised(text: str, length: int) -> str:
    """First digits found, then letters as digits until there are enough."""
    found = "".join(c for c in text if c not in _LETTERS) + "".join(
        str(_LETTERS.index(c)) for c in text if c in _LETTERS
    )
    return found[:length]
