"""Examining the proof of a medium, before the decision: section 18 of docs/decision.md, "What is examined".

What was found is written into the end of the evidence, so that the decision
needs no key and the journal shows what it rests on.  The formats are those of
docs/card-formats.md; `hsm/cards.py` and its neighbours are the same in Python,
from the issuer's side.  A message whose form is wrong is left alone: the checks
of its form come next and refuse it.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from switch._form cimport evidence_in, fault_t
from switch._keys cimport (
    BLOCK_BYTES, CRYPTO_memcmp, EVP_DecryptInit_ex, EVP_DecryptUpdate, EVP_EncryptUpdate, KeyRing, OPENSSL_cleanse,
    cmac_t, cvk_t, mac, rekey)
from switch._layout cimport *
from switch._tables cimport Tables

cdef extern from "endian.h" nogil:
    uint64_t htobe64(uint64_t value)
    uint64_t be64toh(uint64_t value)

cdef enum:
    EVIDENCE_FLAGS_KNOWN = 15
    FLAGS_AT = 2                     # offset of the flags in an evidence
    UID_BYTES = 7
    DERIVE_CHIP = 0x01               # purpose bytes of key derivation, docs/card-formats.md
    DERIVE_CODE = 0x11
    DERIVE_JITTER = 0x21
    DERIVE_TAG = 0x31
    DERIVE_TAG_META = 0x32
    CODE_SHOWN = 100                 # a code shows its number modulo this
    STRIPE_SHOWN = 1000              # a stripe its counter
    CODE_DIGITS_MODULUS = 100000000
    STRIPE_DIGITS_MODULUS = 100000
    STRIPE_NUMBER_MAX_DIGITS = 16
    PICC_TAG = 0xC7                  # UID and counter mirrored, 7-byte UID (AN12196)
    COMMAND_KEY = 0x0100

cdef uint64_t STRIPE_NUMBER_MAX = 9999999999999999
cdef int64_t STAMP_S_MAX = 0xFFFFFFFF            # four bytes of the cryptogram


# ------------------------------------------------------------------------ numbers as bytes

cdef inline void put_big(uint8_t* at, uint64_t value, int count) noexcept nogil:
    value = htobe64(value << 64 - 8 * count)
    memcpy(at, &value, count)


cdef inline uint64_t big(const uint8_t* at, int count) noexcept nogil:
    cdef uint64_t value = 0
    memcpy(&value, at, count)
    return be64toh(value) >> 64 - 8 * count


cdef inline void put_digits(uint8_t* at, uint64_t value, int count) noexcept nogil:
    """Packed decimal digits, two a byte, zeros in front."""
    cdef int i
    for i in range(count):
        at[count - 1 - i] = <uint8_t>(value % 10 | (value // 10 % 10) << 4)
        value //= 100


# ------------------------------------------------------------------------ keys of one medium

cdef bint derive_key(KeyRing keys, uint32_t purpose, uint32_t version, uint8_t derivation, const uint8_t* unique,
                     int unique_bytes, uint8_t* key) noexcept nogil:
    """A medium's key: AN10922 over unique | F05254 | derivation | version | SW001. False: its master is missing."""
    cdef uint8_t message[32]
    if version > KEY_VERSION_MAX or keys.masters[purpose][version] == NULL:
        return False
    message[0] = 0x01
    memcpy(message + 1, unique, unique_bytes)
    memcpy(message + 1 + unique_bytes, b"\xF0\x52\x54", 3)
    message[4 + unique_bytes] = derivation
    message[5 + unique_bytes] = <uint8_t>version
    memcpy(message + 6 + unique_bytes, b"SW001", 5)
    mac(keys.masters[purpose][version], message, 11 + unique_bytes, key)
    return True


cdef bint derive(KeyRing keys, uint32_t purpose, uint32_t version, uint8_t derivation, const uint8_t* unique,
                 int unique_bytes) noexcept nogil:
    """Set a medium's derived key for its proof; False: its master is missing."""
    cdef uint8_t key[BLOCK_BYTES]
    cdef bint is_set = (derive_key(keys, purpose, version, derivation, unique, unique_bytes, key)
                        and rekey(&keys.card, key))
    OPENSSL_cleanse(key, BLOCK_BYTES)
    return is_set


cdef inline uint32_t shown_version(const medium_record_t* medium, const evidence_t* evidence) noexcept nogil:
    """Whole key version of a medium that shows its last digit: none that is older than what it has shown."""
    return medium.key_version + (evidence.key_version % 10 + 10 - medium.key_version % 10) % 10


# ------------------------------------------------------------------------ chip

cdef uint8_t examine_chip(Tables tables, KeyRing keys, const challenges_t* challenges, uint32_t terminal_id,
                          const header_t* header, const debit_request_t* request, evidence_t* evidence) noexcept nogil:
    cdef const medium_record_t* medium
    cdef const key_record_t* key
    cdef uint8_t message[48]
    cdef uint8_t uid[UID_BYTES]
    cdef uint8_t full[BLOCK_BYTES]
    cdef int64_t amount_minor = 0 if header.type == TYPE_REDEEM else request.amount_minor
    cdef int i, version
    cdef bint is_set
    evidence.found_medium_id, evidence.found_counter = evidence.medium_id, evidence.counter
    evidence.found_key_version = evidence.key_version
    medium = <const medium_record_t*>tables.media.find(MEDIUM_CHIP, evidence.medium_id, 0)
    if medium == NULL:
        return OUTCOME_MEDIUM_UNKNOWN
    put_big(uid, evidence.medium_id, UID_BYTES)
    if medium.flags & MEDIUM_FLAG_STORED_KEY:
        if not keys.stored(tables, MEDIUM_CHIP, evidence.medium_id, evidence.key_version):
            return OUTCOME_KEY_MISSING
    elif not derive(keys, PURPOSE_CHIP, evidence.key_version, DERIVE_CHIP, uid, UID_BYTES):
        return OUTCOME_KEY_MISSING
    if (amount_minor < 0 or amount_minor >= AMOUNT_MINOR_MAX or evidence.currency > 999
            or evidence.counter > 0xFFFFFF or request.stamp_ms < 0 or request.stamp_ms // 1000 > STAMP_S_MAX):
        return OUTCOME_WRONG
    # Session key: CMAC(card key, 01 | "AC" | 00 | counter | UID | 0080), one block.
    memcpy(message, b"\x01AC\x00", 4)
    put_big(message + 4, evidence.counter, 3)
    memcpy(message + 7, uid, UID_BYTES)
    message[14], message[15] = 0x00, 0x80
    mac(&keys.card, message, BLOCK_BYTES, full)
    is_set = rekey(&keys.session, full)
    OPENSSL_cleanse(full, BLOCK_BYTES)
    if not is_set:
        return OUTCOME_KEY_MISSING
    # Cryptogram: over what the terminal asked (32) and what the chip says of itself (16).
    memcpy(message, evidence.challenge, 8)
    put_digits(message + 8, <uint64_t>amount_minor, 6)
    put_digits(message + 14, evidence.currency, 2)
    message[16] = (1 if header.type == TYPE_HOLD else 2 if header.type == TYPE_REDEEM
                   else 3 if header.type == TYPE_CONVERT else 0)
    put_big(message + 17, <uint64_t>(request.stamp_ms // 1000), 4)
    for i in range(8):
        message[21 + i] = b"0123456789ABCDEF"[terminal_id >> 28 - 4 * i & 15]
    memset(message + 29, 0, 3)
    message[32] = evidence.key_version
    put_big(message + 33, evidence.counter, 3)
    put_big(message + 36, evidence.chip_flags, 2)
    put_big(message + 38, evidence.chain, 4)
    memset(message + 42, 0, 6)
    mac(&keys.session, message, 48, full)
    if CRYPTO_memcmp(full, evidence.proof, 8) != 0:
        return OUTCOME_WRONG
    if (CRYPTO_memcmp(evidence.challenge, challenges.current, 8) != 0
            and CRYPTO_memcmp(evidence.challenge, challenges.previous, 8) != 0):
        return OUTCOME_CHALLENGE
    evidence.next = <uint32_t>big(full + 8, 4)
    evidence.command = 0
    for version in range(medium.key_version_held, evidence.key_version, -1):
        key = <const key_record_t*>tables.keys.find(PURPOSE_CHIP, version, 0)
        if key != NULL and key.state == KEY_ACTIVE:
            evidence.command = COMMAND_KEY + version
            break
    # Answer: CMAC(session key, "R" | counter | cryptogram | next | command).
    message[0] = c"R"
    put_big(message + 1, evidence.counter, 3)
    memcpy(message + 4, evidence.proof, 8)
    put_big(message + 12, evidence.next, 4)
    put_big(message + 16, evidence.command, 2)
    mac(&keys.session, message, 18, full)
    memcpy(evidence.answer, full, 8)
    return OUTCOME_GENUINE


# ------------------------------------------------------------------------ dynamic code

cdef uint8_t examine_code(Tables tables, KeyRing keys, int64_t now_ms, evidence_t* evidence) noexcept nogil:
    cdef const medium_record_t* medium
    cdef uint8_t message[16]
    cdef uint8_t unique[6]
    cdef uint8_t full[BLOCK_BYTES]
    cdef uint64_t token = evidence.medium_id, lowest, number, now
    cdef uint32_t version, shown, digits
    evidence.found_medium_id = token
    medium = <const medium_record_t*>tables.media.find(MEDIUM_CODE, token, 0)
    if medium == NULL:
        return OUTCOME_MEDIUM_UNKNOWN
    version = shown_version(medium, evidence)
    if version > KEY_VERSION_MAX:
        return OUTCOME_KEY_MISSING
    evidence.found_key_version = <uint8_t>version
    put_digits(unique, token * 10, 6)            # eleven digits, then F
    unique[5] |= 0x0F
    if medium.flags & MEDIUM_FLAG_STORED_KEY:
        if not keys.stored(tables, MEDIUM_CODE, token, version):
            return OUTCOME_KEY_MISSING
    elif not derive(keys, PURPOSE_CODE, version, DERIVE_CODE, unique, 6):
        return OUTCOME_KEY_MISSING
    now = <uint64_t>(now_ms // CODE_STEP_MS) * CODE_REFRESHES if now_ms > 0 else 0
    lowest = now - CODE_WINDOW if now > CODE_WINDOW else 0
    shown = evidence.counter
    number = lowest + (shown + CODE_SHOWN - lowest % CODE_SHOWN) % CODE_SHOWN
    if shown >= CODE_SHOWN or number > now + CODE_WINDOW:
        return OUTCOME_STALE
    message[0], message[1] = c"B", <uint8_t>version
    memcpy(message + 2, unique, 6)
    put_big(message + 8, number, 5)
    mac(&keys.card, message, 13, full)
    digits = <uint32_t>(big(full, 8) % CODE_DIGITS_MODULUS)
    if CRYPTO_memcmp(&digits, evidence.proof, 4) != 0:
        return OUTCOME_WRONG
    evidence.found_counter = number
    return OUTCOME_GENUINE


# ------------------------------------------------------------------------ stripe

cdef uint32_t ticket_digits(const cmac_t* jitter, uint32_t version, uint64_t card_number, uint32_t expiry_yymm,
                            uint32_t counter) noexcept nogil:
    """Five digits that prove a stripe's counter."""
    cdef uint8_t message[17]
    cdef uint8_t full[BLOCK_BYTES]
    message[0], message[1] = c"J", <uint8_t>version
    put_digits(message + 2, card_number, 8)
    put_digits(message + 10, expiry_yymm, 2)
    message[12] = 0
    put_big(message + 13, counter, 4)
    mac(jitter, message, 17, full)
    return <uint32_t>(big(full, 8) % STRIPE_DIGITS_MODULUS)


cdef uint32_t check_value_of(const cvk_t* pair, uint64_t card_number, uint32_t expiry_yymm,
                             uint32_t service) noexcept nogil:
    """CVV: number, expiry and service code through TDES, and its first three decimal digits."""
    cdef uint8_t digits[32]
    cdef uint8_t data[16]
    cdef uint8_t text[16]
    cdef int count = 0, i, out_bytes = 0, found = 0, value = 0, letter
    cdef uint64_t rest = card_number
    memset(digits, 0, 32)
    while rest:
        count += 1
        rest //= 10
    for i in range(count):
        digits[count - 1 - i] = <uint8_t>(card_number % 10)
        card_number //= 10
    for i in range(4):
        digits[count + 3 - i] = <uint8_t>(expiry_yymm % 10)
        expiry_yymm //= 10
    for i in range(3):
        digits[count + 6 - i] = <uint8_t>(service % 10)
        service //= 10
    for i in range(16):
        data[i] = <uint8_t>(digits[2 * i] << 4 | digits[2 * i + 1])
    EVP_EncryptUpdate(pair.single, text, &out_bytes, data, 8)
    for i in range(8):
        text[i] ^= data[8 + i]
    EVP_EncryptUpdate(pair.double_, data, &out_bytes, text, 8)
    for i in range(16):
        digits[i] = data[i // 2] >> 4 if i % 2 == 0 else data[i // 2] & 15
    for letter in range(2):                      # digits first, then letters as digits
        for i in range(16):
            if found < 3 and (digits[i] >= 10) == letter:
                value = value * 10 + (digits[i] - 10 * letter)
                found += 1
    return value


cdef uint8_t examine_stripe(Tables tables, KeyRing keys, const debit_request_t* request,
                            evidence_t* evidence) noexcept nogil:
    cdef const medium_record_t* medium
    cdef uint8_t unique[8]
    cdef uint32_t version, told, digits = (<const uint32_t*>evidence.proof)[0]
    cdef uint16_t check_value = (<const uint16_t*>evidence.proof)[2]
    cdef uint16_t service = (<const uint16_t*>evidence.proof)[3]
    cdef uint16_t expiry_yymm = (<const uint16_t*>evidence.proof)[4]
    cdef uint64_t highest, counter
    evidence.found_medium_id = request.card_number
    medium = <const medium_record_t*>tables.media.find(MEDIUM_STRIPE, request.card_number, 0)
    if medium == NULL:
        return OUTCOME_MEDIUM_UNKNOWN
    version = shown_version(medium, evidence)
    if version > KEY_VERSION_MAX:
        return OUTCOME_KEY_MISSING
    evidence.found_key_version = <uint8_t>version
    put_digits(unique, request.card_number, 8)
    if keys.pairs[version] == NULL or not derive(keys, PURPOSE_JITTER, version, DERIVE_JITTER, unique, 8):
        return OUTCOME_KEY_MISSING
    if (service > 999 or expiry_yymm > 9999 or evidence.counter >= STRIPE_SHOWN
            or request.card_number > STRIPE_NUMBER_MAX
            or check_value_of(keys.pairs[version], request.card_number, expiry_yymm, service) != check_value):
        return OUTCOME_WRONG
    highest = medium.pending_counter if medium.pending_counter > medium.counter else medium.counter
    if highest % STRIPE_SHOWN >= evidence.counter:
        counter = highest - (highest % STRIPE_SHOWN - evidence.counter)
    elif highest >= STRIPE_SHOWN:
        counter = highest - (highest % STRIPE_SHOWN + STRIPE_SHOWN - evidence.counter)
    else:
        return OUTCOME_WRONG
    told = ticket_digits(&keys.card, version, request.card_number, expiry_yymm, <uint32_t>counter)
    if CRYPTO_memcmp(&told, &digits, 4) != 0:
        return OUTCOME_WRONG
    evidence.found_counter = counter
    evidence.next = (medium.pending_counter if medium.pending_counter and counter == medium.counter
                     else <uint32_t>counter + 1)
    told = ticket_digits(&keys.card, version, request.card_number, expiry_yymm, evidence.next)
    memcpy(evidence.answer, &told, 4)
    return OUTCOME_GENUINE


# ------------------------------------------------------------------------ tag

cdef uint8_t examine_tag(Tables tables, KeyRing keys, evidence_t* evidence) noexcept nogil:
    """NTAG 424 DNA secure unique messages (NXP AN12196): PICC data encrypted, MAC over nothing but the counter."""
    cdef uint8_t data[BLOCK_BYTES]
    cdef uint8_t nobody[UID_BYTES]
    cdef uint8_t message[BLOCK_BYTES]
    cdef uint8_t full[BLOCK_BYTES]
    cdef uint8_t short_mac[8]
    cdef int out_bytes = 0, i
    cdef bint is_open
    memset(nobody, 0, UID_BYTES)
    evidence.found_key_version = evidence.key_version
    if not derive_key(keys, PURPOSE_TAG, evidence.key_version, DERIVE_TAG_META, nobody, UID_BYTES, full):
        return OUTCOME_KEY_MISSING
    is_open = (EVP_DecryptInit_ex(keys.opener, NULL, NULL, full, NULL) == 1
               and EVP_DecryptUpdate(keys.opener, data, &out_bytes, evidence.proof, BLOCK_BYTES) == 1)
    OPENSSL_cleanse(full, BLOCK_BYTES)
    if not is_open or data[0] != PICC_TAG:
        return OUTCOME_WRONG
    evidence.found_medium_id = big(data + 1, UID_BYTES)
    if tables.media.find(MEDIUM_TAG, evidence.found_medium_id, 0) == NULL:
        return OUTCOME_MEDIUM_UNKNOWN
    derive(keys, PURPOSE_TAG, evidence.key_version, DERIVE_TAG, data + 1, UID_BYTES)
    memcpy(message, b"\x3C\xC3\x00\x01\x00\x80", 6)          # SV2
    memcpy(message + 6, data + 1, UID_BYTES + 3)             # UID, counter
    mac(&keys.card, message, BLOCK_BYTES, full)
    if not rekey(&keys.session, full):
        return OUTCOME_KEY_MISSING
    mac(&keys.session, NULL, 0, full)
    for i in range(8):
        short_mac[i] = full[2 * i + 1]
    if CRYPTO_memcmp(short_mac, evidence.tag_mac, 8) != 0:
        return OUTCOME_WRONG
    evidence.found_counter = data[8] | <uint64_t>data[9] << 8 | <uint64_t>data[10] << 16
    return OUTCOME_GENUINE


# ------------------------------------------------------------------------ the road

cdef bint examine(Tables tables, KeyRing keys, const challenges_t* challenges, uint32_t terminal_id, int64_t now_ms,
                  uint8_t* message, uint32_t message_bytes, fault_t* fault) noexcept nogil:
    """Find out what a request's evidence is worth, in place. False: what the switch fills in was not zero.

    A request without evidence, or whose form is wrong, passes as it is.
    """
    cdef const header_t* header = <const header_t*>message
    cdef debit_request_t* request = <debit_request_t*>(message + sizeof(header_t))
    cdef uint32_t body_bytes = message_bytes - <uint32_t>sizeof(header_t), at
    cdef evidence_t* evidence = <evidence_t*>evidence_in(header.type, <const uint8_t*>request, body_bytes)
    cdef const medium_record_t* medium
    cdef const uint8_t* found
    cdef uint32_t i
    if evidence == NULL:
        return True
    at = body_bytes - EVIDENCE_BYTES
    fault.code, fault.expected = CODE_RESERVED_NOT_ZERO, 0
    if evidence.flags & ~EVIDENCE_FLAGS_KNOWN:
        fault.offset, fault.got = at + FLAGS_AT, evidence.flags
        return False
    found = message + message_bytes - FOUND_BYTES
    for i in range(FOUND_BYTES):
        if found[i]:
            fault.offset = body_bytes - FOUND_BYTES
            memcpy(&fault.got, found, 4)
            return False
    if evidence.medium == MEDIUM_CHIP:
        evidence.outcome = examine_chip(tables, keys, challenges, terminal_id, header, request, evidence)
    elif evidence.medium == MEDIUM_CODE:
        evidence.outcome = examine_code(tables, keys, now_ms, evidence)
    elif evidence.medium == MEDIUM_STRIPE:
        evidence.outcome = examine_stripe(tables, keys, request, evidence)
    elif evidence.medium == MEDIUM_TAG:
        evidence.outcome = examine_tag(tables, keys, evidence)
    if request.card_number == 0 and (evidence.medium == MEDIUM_CODE or evidence.medium == MEDIUM_TAG):
        medium = <const medium_record_t*>tables.media.find(evidence.medium, evidence.found_medium_id, 0)
        if medium != NULL:
            request.card_number = medium.card_number
    return True
