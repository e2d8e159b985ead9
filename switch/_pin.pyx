"""PINs: hashed and sealed as they come in, so that nothing behind ever sees one.

The hash is SHA-256 (FIPS 180-4), cut to 16 bytes, over account number and PIN
field; it is sealed as one block of AES-256 under a key that is not in the
journal, so a reader of the journal cannot try the ten thousand PINs.  Sealed,
and not keyed itself, so that the switch can open it and seal it anew under
another key when nobody has the PIN at hand: the PIN key rotates like all
others.  Over the account's number and not the card's, so that a replacement
keeps its PIN.  A PIN is sealed under the version that the card's record names;
a new PIN under the ACTIVE one.  A message whose length is wrong is left alone:
the checks of its form come next and refuse it.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from switch._entry cimport request_of
from switch._form cimport fault_t
from switch._index cimport slot_t
from switch._keys cimport KeyRing
from switch._layout cimport *
from switch._tables cimport Tables
from switch.duplicates cimport POSITION_MASK_LOW, AnswerWindow, answer_key
from switch.group_commit cimport GroupCommit

cdef extern from "<openssl/evp.h>" nogil:
    ctypedef struct EVP_MD:
        pass
    const EVP_MD* EVP_sha256()
    int EVP_Digest(const void* data, size_t data_bytes, uint8_t* out, unsigned int* out_bytes, const EVP_MD* md,
                   void* engine)

cdef extern from "<openssl/crypto.h>" nogil:
    void OPENSSL_cleanse(void* at, size_t size)

cdef enum:
    PIN_DIGITS_MIN = 4
    PIN_DIGITS_MAX = 12
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


cdef bint hide(Tables tables, KeyRing keys, uint32_t active, bint is_new, const uint8_t* before, uint64_t card_number,
               uint8_t* body, uint32_t at, fault_t* fault) noexcept nogil:
    cdef uint8_t* pin = body + at
    cdef uint8_t hashed[32]
    cdef uint8_t data[8 + PIN_BYTES]
    cdef account_record_t* account = NULL
    cdef const card_record_t* card
    cdef uint32_t version = active
    # A card without account is named like the account that it will get when it is issued, as a rule.
    cdef uint64_t account_number = card_number
    if not is_pin_field(pin):
        fault.code, fault.offset, fault.expected, fault.got = CODE_RESERVED_NOT_ZERO, at, 0, 0
        return False
    if pin[0] == 0:
        return True
    if keys.pin_sealers[active] == NULL:         # only tools begin without one; a hash that all could make is none
        fault.code, fault.offset, fault.expected, fault.got = CODE_KEY_MATERIAL, at, 0, 0
        return False
    card = tables.card(card_number, &account)
    if account != NULL:
        account_number = account.account_number
    if card != NULL and card.pin_key_version and not is_new:
        version = card.pin_key_version
    memcpy(data, &account_number, 8)
    memcpy(data + 8, pin, PIN_BYTES)
    EVP_Digest(data, 8 + PIN_BYTES, hashed, NULL, EVP_sha256(), NULL)
    if keys.pin_sealers[version] == NULL:        # it was retired with this PIN on it: the same as none at all
        memset(pin, 0, PIN_BYTES)
    else:
        keys.seal_pin(version, hashed, pin)
    if before != NULL and memcmp(before + at, pin, PIN_BYTES) != 0:
        seal_as_before(keys, hashed, before + at, pin)
    OPENSSL_cleanse(data, 8 + PIN_BYTES)
    OPENSSL_cleanse(hashed, 32)
    return True


cdef void seal_as_before(KeyRing keys, const uint8_t* hashed, const uint8_t* answered, uint8_t* pin) noexcept nogil:
    """A repeat must come out as the same bytes, though its record may have gone over to another key meanwhile."""
    cdef uint8_t sealed[PIN_BYTES]
    cdef int version
    for version in range(1, KEY_VERSION_MAX + 1):
        if keys.pin_sealers[version] != NULL:
            keys.seal_pin(version, hashed, sealed)
            if memcmp(sealed, answered, PIN_BYTES) == 0:
                memcpy(pin, sealed, PIN_BYTES)
                return


cdef bint hide_pins(Tables tables, KeyRing keys, uint32_t active, const uint8_t* before, uint8_t* message,
                    uint32_t message_bytes, bint has_evidence, fault_t* fault) noexcept nogil:
    cdef const header_t* header = <const header_t*>message
    cdef uint8_t* body = message + sizeof(header_t)
    cdef uint32_t body_bytes = message_bytes - <uint32_t>sizeof(header_t)
    cdef const debit_request_t* keyed = <const debit_request_t*>body
    if has_evidence:
        body_bytes -= EVIDENCE_BYTES
    if header.type == TYPE_DEBIT or header.type == TYPE_QUOTE:
        if body_bytes < sizeof(debit_request_t) + PIN_BYTES or not keyed.flags & DEBIT_PIN:
            return True
        return hide(tables, keys, active, False, before, keyed.card_number, body, body_bytes - PIN_BYTES, fault)
    if header.type == TYPE_HOLD and body_bytes == sizeof(hold_request_t):
        return hide(tables, keys, active, False, before, keyed.card_number, body, HOLD_PIN_AT, fault)
    if header.type == TYPE_SET_PIN and body_bytes == sizeof(set_pin_request_t):
        return (hide(tables, keys, active, False, before, keyed.card_number, body, OLD_PIN_AT, fault)
                and hide(tables, keys, active, True, before, keyed.card_number, body, NEW_PIN_AT, fault))
    return True


cdef uint8_t active_version(Tables tables, uint8_t purpose) noexcept nogil:
    cdef const key_record_t* key
    cdef uint32_t version
    for version in range(1, KEY_VERSION_MAX + 1):
        key = tables.key(purpose, version)
        if key != NULL and key.state == KEY_ACTIVE:
            return <uint8_t>version
    return 0


cdef const uint8_t* answered_body(KeyRing keys, AnswerWindow answers, GroupCommit commit, uint32_t terminal_id,
                                  const uint8_t* message, uint32_t message_bytes) noexcept nogil:
    cdef const header_t* asked = <const header_t*>message
    cdef const debit_request_t* keyed = <const debit_request_t*>(message + sizeof(header_t))
    cdef const entry_header_t* entry = NULL
    cdef slot_t* slot = NULL
    if keys.pin_count < 2 or not FORMS[asked.type].keyed or message_bytes < sizeof(header_t) + 8:
        return NULL
    if answers.covers(keyed.business_date):
        slot = answers.find(keyed.business_date, answer_key(terminal_id, keyed.trace_number))
    if slot != NULL:
        entry = <const entry_header_t*>commit.entry_at(slot.value & ~<uint64_t>POSITION_MASK_LOW)
    if entry == NULL or entry.request_type != asked.type or entry.request_bytes != message_bytes - sizeof(header_t):
        return NULL
    return request_of(entry)
