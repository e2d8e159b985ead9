"""PINs: hashed as they come in, so that nothing behind ever sees one.

The hash is HMAC-SHA-256 (RFC 2104, FIPS 198-1), cut to 16 bytes, over account
number and PIN field, under a key that is not in the journal: a reader of the
journal cannot try the ten thousand PINs.  Over the account's number and not
the card's, so that a replacement keeps its PIN.  A message whose length is
wrong is left alone: the checks of its form come next and refuse it.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from switch._form cimport fault_t
from switch._layout cimport *
from switch._tables cimport Tables

cdef extern from "<openssl/hmac.h>" nogil:
    ctypedef struct EVP_MD:
        pass
    const EVP_MD* EVP_sha256()
    uint8_t* HMAC(const EVP_MD* md, const void* key, int key_bytes, const uint8_t* data, size_t data_bytes,
                  uint8_t* out, unsigned int* out_bytes)
    void OPENSSL_cleanse(void* at, size_t size)

cdef enum:
    PIN_DIGITS_MIN = 4
    PIN_DIGITS_MAX = 12
    KEY_BYTES = 32
    HOLD_PIN_AT = 40
    OLD_PIN_AT = 32
    NEW_PIN_AT = 48


cdef inline bint is_pin_field(const uint8_t* pin) noexcept nogil:
    """4 to 12 digits and then zeros, or nothing but zeros."""
    cdef int digits = 0, i
    while digits < PIN_BYTES and c'0' <= pin[digits] <= c'9':
        digits += 1
    for i in range(digits, PIN_BYTES):
        if pin[i]:
            return False
    return digits == 0 or PIN_DIGITS_MIN <= digits <= PIN_DIGITS_MAX


cdef bint hide(Tables tables, const uint8_t* pin_key, uint64_t card_number, uint8_t* body, uint32_t at,
               fault_t* fault) noexcept nogil:
    cdef uint8_t* pin = body + at
    cdef uint8_t hashed[32]
    cdef uint8_t data[8 + PIN_BYTES]
    cdef account_record_t* account = NULL
    # A card without account is named like the account that it will get when it is issued, as a rule.
    cdef uint64_t account_number = card_number
    if not is_pin_field(pin):
        fault.code, fault.offset, fault.expected, fault.got = CODE_RESERVED_NOT_ZERO, at, 0, 0
        return False
    if pin[0] == 0:
        return True
    if pin_key == NULL:                          # only tools begin without one; a hash that all could make is none
        fault.code, fault.offset, fault.expected, fault.got = CODE_KEY_MATERIAL, at, 0, 0
        return False
    tables.card(card_number, &account)
    if account != NULL:
        account_number = account.account_number
    memcpy(data, &account_number, 8)
    memcpy(data + 8, pin, PIN_BYTES)
    HMAC(EVP_sha256(), pin_key, KEY_BYTES, data, 8 + PIN_BYTES, hashed, NULL)
    memcpy(pin, hashed, PIN_BYTES)
    OPENSSL_cleanse(data, 8 + PIN_BYTES)
    return True


cdef bint hide_pins(Tables tables, const uint8_t* pin_key, uint8_t* message, uint32_t message_bytes,
                    bint has_evidence, fault_t* fault) noexcept nogil:
    cdef const header_t* header = <const header_t*>message
    cdef uint8_t* body = message + sizeof(header_t)
    cdef uint32_t body_bytes = message_bytes - <uint32_t>sizeof(header_t)
    cdef const debit_request_t* keyed = <const debit_request_t*>body
    if has_evidence:
        body_bytes -= EVIDENCE_BYTES
    if header.type == TYPE_DEBIT or header.type == TYPE_QUOTE:
        if body_bytes < sizeof(debit_request_t) + PIN_BYTES or not keyed.flags & DEBIT_PIN:
            return True
        return hide(tables, pin_key, keyed.card_number, body, body_bytes - PIN_BYTES, fault)
    if header.type == TYPE_HOLD and body_bytes == sizeof(hold_request_t):
        return hide(tables, pin_key, keyed.card_number, body, HOLD_PIN_AT, fault)
    if header.type == TYPE_SET_PIN and body_bytes == sizeof(set_pin_request_t):
        return (hide(tables, pin_key, keyed.card_number, body, OLD_PIN_AT, fault)
                and hide(tables, pin_key, keyed.card_number, body, NEW_PIN_AT, fault))
    return True
