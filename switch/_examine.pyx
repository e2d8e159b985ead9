"""Examining the proof of a medium, before the decision: section 18 of docs/decision.md, "What is examined".

What was found is written into the end of the evidence, so that the decision
needs no key and the journal shows what it rests on.  The formats are those of
docs/card-formats.md; `hsm/cards.py` and its neighbours are the same in Python,
from the issuer's side.  A message whose form is wrong is left alone: the checks
of its form come next and refuse it.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from switch._form cimport evidence_in
from switch._keys cimport (
    BLOCK_BYTES, CMAC_LANES, CRYPTO_memcmp, EVP_DecryptInit_ex, EVP_DecryptUpdate, EVP_EncryptUpdate, KeyRing,
    OPENSSL_cleanse, cmac_block, cmac_cryptograms, cmac_derivation, cmac_derive, cmac_number, cmac_of_bytes,
    cmac_of_numbers, cmac_t, cmac_take_key, cryptogram_t, cvk_t)
from switch._layout cimport *
from switch._tables cimport Tables

cdef extern from "endian.h" nogil:
    uint64_t be64toh(uint64_t value)
    uint64_t htobe64(uint64_t value)

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

cdef inline uint64_t big(const uint8_t* at, int count) noexcept nogil:
    cdef uint64_t value = 0
    memcpy(&value, at, count)
    return be64toh(value) >> 64 - 8 * count


cdef inline uint64_t packed_digits(uint64_t value, int byte_count) noexcept nogil:
    """The last decimal digits of a number, packed two a byte."""
    cdef uint64_t packed = 0, pair
    cdef int i
    for i in range(byte_count):
        if value == 0:                           # amounts are short, as a rule
            break
        pair = value % 100
        packed |= pair + 6 * (pair // 10) << 8 * i
        value //= 100
    return packed


cdef inline uint64_t hex_letters(uint32_t number) noexcept nogil:
    """Eight letters, 0 to F, as the eight bytes of a number: a byte for each four bits, then all at once."""
    cdef uint64_t spread = number
    spread = (spread | spread << 16) & <uint64_t>0x0000FFFF0000FFFF
    spread = (spread | spread << 8) & <uint64_t>0x00FF00FF00FF00FF
    spread = (spread | spread << 4) & <uint64_t>0x0F0F0F0F0F0F0F0F
    return (spread + <uint64_t>0x3030303030303030
            + (spread + <uint64_t>0x0606060606060606 >> 4 & <uint64_t>0x0101010101010101) * 7)


# ------------------------------------------------------------------------ keys of one medium

cdef bint derive_key(KeyRing keys, uint32_t purpose, uint32_t version, uint8_t derivation, uint64_t unique,
                     int unique_bytes, uint8_t* key) noexcept nogil:
    """A medium's key: AN10922 over its unique number. False: its master is missing."""
    if version > KEY_VERSION_MAX or keys.masters[purpose][version] == NULL:
        return False
    cmac_derive(keys.masters[purpose][version], unique, unique_bytes, derivation, <uint8_t>version, key)
    return True


cdef bint derive(KeyRing keys, uint32_t purpose, uint32_t version, uint8_t derivation, uint64_t unique,
                 int unique_bytes) noexcept nogil:
    """Set a medium's derived key for its proof; False: its master is missing."""
    return (derive_key(keys, purpose, version, derivation, unique, unique_bytes, keys.card.k1)
            and cmac_take_key(keys.card))


cdef inline uint32_t shown_version(const medium_record_t* medium, const evidence_t* evidence) noexcept nogil:
    """Whole key version of a medium that shows its last digit: none that is older than what it has shown."""
    return medium.key_version + (evidence.key_version % 10 + 10 - medium.key_version % 10) % 10


# ------------------------------------------------------------------------ chip

cdef uint8_t compose_chip(Tables tables, KeyRing keys, uint32_t terminal_id, uint8_t request_type,
                          const debit_request_t* request, const medium_record_t* medium, evidence_t* evidence,
                          cmac_t* card, cryptogram_t* chip) noexcept nogil:
    """What the cryptogram must have been made of; OUTCOME_NOT_CHECKED: the proof waits for `settle_chips`."""
    cdef const key_record_t* key
    cdef int64_t amount_minor = 0 if request_type == TYPE_REDEEM else request.amount_minor
    cdef uint64_t uid = evidence.medium_id, counter = evidence.counter, letters, proof = big(evidence.proof, 8)
    cdef uint8_t purpose
    cdef int version
    evidence.found_medium_id, evidence.found_counter = uid, counter
    evidence.found_key_version = evidence.key_version
    if medium == NULL:
        return OUTCOME_MEDIUM_UNKNOWN
    chip.master = NULL
    if not medium.flags & MEDIUM_FLAG_STORED_KEY:
        chip.master = keys.masters[PURPOSE_CHIP][evidence.key_version]
        if chip.master == NULL:
            return OUTCOME_KEY_MISSING
        cmac_derivation(uid, UID_BYTES, DERIVE_CHIP, evidence.key_version, chip.derivation)
    elif not keys.stored(tables, MEDIUM_CHIP, uid, evidence.key_version, card):
        return OUTCOME_KEY_MISSING
    if (amount_minor < 0 or amount_minor >= AMOUNT_MINOR_MAX or evidence.currency > 999 or counter > 0xFFFFFF
            or request.stamp_ms < 0 or request.stamp_ms // 1000 > STAMP_S_MAX):
        return OUTCOME_WRONG
    # Session key: CMAC(card key, 01 | "AC" | 00 | counter | UID | 0080), one block.
    chip.session = cmac_block(<uint64_t>0x0141430000000000 | counter << 8 | uid >> 48, uid << 16 | 0x0080)
    # Cryptogram: over what the terminal asked (32) and what the chip says of itself (16).
    letters = hex_letters(terminal_id)
    purpose = (1 if request_type == TYPE_HOLD else 2 if request_type == TYPE_REDEEM
               else 3 if request_type == TYPE_CONVERT else 0)
    chip.asked[0] = cmac_block(big(evidence.challenge, 8), packed_digits(<uint64_t>amount_minor, 6) << 16
                               | packed_digits(evidence.currency, 2))
    chip.asked[1] = cmac_block(<uint64_t>purpose << 56 | <uint64_t>(request.stamp_ms // 1000) << 24 | letters >> 40,
                               letters << 24)
    chip.asked[2] = cmac_block(<uint64_t>evidence.key_version << 56 | counter << 32
                               | <uint64_t>evidence.chip_flags << 16 | evidence.chain >> 16,
                               <uint64_t>evidence.chain << 48)
    chip.command = 0
    for version in range(medium.key_version_held, evidence.key_version, -1):
        key = tables.key(PURPOSE_CHIP, version)
        if key != NULL and key.state == KEY_ACTIVE:
            chip.command = COMMAND_KEY + version
            break
    # Answer: CMAC(session key, "R" | counter | cryptogram | next | command), 18 bytes; `next` comes in later.
    chip.answer[0] = cmac_block(<uint64_t>c"R" << 56 | counter << 32 | proof >> 32, proof << 32)
    chip.answer[1] = cmac_block(<uint64_t>chip.command << 48 | <uint64_t>0x80 << 40, 0)
    return OUTCOME_NOT_CHECKED


cdef inline uint8_t settle_chip(const cryptogram_t* chip, const challenges_t* challenges,
                                evidence_t* evidence) noexcept nogil:
    cdef uint64_t challenge = big(evidence.challenge, 8), answer = htobe64(cmac_number(chip.mac, 0))
    # One comparison of a word, which takes the same time for any.
    if cmac_number(chip.cryptogram, 0) != big(evidence.proof, 8):
        return OUTCOME_WRONG
    if challenge != big(challenges.current, 8) and challenge != big(challenges.previous, 8):   # no secret
        return OUTCOME_CHALLENGE
    evidence.next = <uint32_t>(cmac_number(chip.cryptogram, 1) >> 32)
    evidence.command = chip.command
    memcpy(evidence.answer, &answer, 8)
    return OUTCOME_GENUINE


cdef void settle_chips(KeyRing keys, chips_t* chips) noexcept nogil:
    """Examine the proofs that wait in `chips`, and empty it."""
    cdef evidence_t* evidence
    cdef bint is_done
    cdef int i
    if chips.count == 0:
        return
    is_done = cmac_cryptograms(keys.lanes, chips.cryptograms, chips.count)
    for i in range(chips.count):
        evidence = chips.evidences[i]
        evidence.outcome = (settle_chip(&chips.cryptograms[i], chips.challenges[i], evidence) if is_done
                            else OUTCOME_KEY_MISSING)
    chips.count = 0


# ------------------------------------------------------------------------ dynamic code

cdef uint8_t examine_code(Tables tables, KeyRing keys, int64_t now_ms, const medium_record_t* medium,
                          evidence_t* evidence) noexcept nogil:
    cdef uint64_t numbers[2]
    cdef uint8_t full[BLOCK_BYTES]
    cdef uint64_t token = evidence.medium_id, lowest, number, now, unique
    cdef uint32_t version, shown, digits
    evidence.found_medium_id = token
    if medium == NULL:
        return OUTCOME_MEDIUM_UNKNOWN
    version = shown_version(medium, evidence)
    if version > KEY_VERSION_MAX:
        return OUTCOME_KEY_MISSING
    evidence.found_key_version = <uint8_t>version
    unique = packed_digits(token * 10, 6) | 0x0F     # eleven digits, then F
    if medium.flags & MEDIUM_FLAG_STORED_KEY:
        if not keys.stored(tables, MEDIUM_CODE, token, version, keys.card):
            return OUTCOME_KEY_MISSING
    elif not derive(keys, PURPOSE_CODE, version, DERIVE_CODE, unique, 6):
        return OUTCOME_KEY_MISSING
    now = <uint64_t>(now_ms // CODE_STEP_MS) * CODE_REFRESHES if now_ms > 0 else 0
    lowest = now - CODE_WINDOW if now > CODE_WINDOW else 0
    shown = evidence.counter
    number = lowest + (shown + CODE_SHOWN - lowest % CODE_SHOWN) % CODE_SHOWN
    if shown >= CODE_SHOWN or number > now + CODE_WINDOW:
        return OUTCOME_STALE
    # CMAC(code key, "B" | version | unique | number), 13 bytes.
    numbers[0] = <uint64_t>c"B" << 56 | <uint64_t>version << 48 | unique
    numbers[1] = number << 24 | 0x80 << 16
    cmac_of_numbers(keys.card, numbers, 1, False, full)
    digits = <uint32_t>(big(full, 8) % CODE_DIGITS_MODULUS)
    if CRYPTO_memcmp(&digits, evidence.proof, 4) != 0:
        return OUTCOME_WRONG
    evidence.found_counter = number
    return OUTCOME_GENUINE


# ------------------------------------------------------------------------ stripe

cdef uint32_t ticket_digits(const cmac_t* jitter, uint32_t version, uint64_t card_number, uint32_t expiry_yymm,
                            uint32_t counter) noexcept nogil:
    """Five digits that prove a stripe's counter."""
    cdef uint64_t number = packed_digits(card_number, 8)
    cdef uint64_t numbers[4]
    cdef uint8_t full[BLOCK_BYTES]
    # "J" | version | card number | expiry | 00 | counter, 17 bytes.
    numbers[0] = <uint64_t>c"J" << 56 | <uint64_t>version << 48 | number >> 16
    numbers[1] = number << 48 | packed_digits(expiry_yymm, 2) << 32 | counter >> 8
    numbers[2] = <uint64_t>counter << 56 | <uint64_t>0x80 << 48
    numbers[3] = 0
    cmac_of_numbers(jitter, numbers, 2, False, full)
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


cdef uint8_t examine_stripe(KeyRing keys, const debit_request_t* request, const medium_record_t* medium,
                            evidence_t* evidence) noexcept nogil:
    cdef uint32_t version, told, digits = (<const uint32_t*>evidence.proof)[0]
    cdef uint16_t check_value = (<const uint16_t*>evidence.proof)[2]
    cdef uint16_t service = (<const uint16_t*>evidence.proof)[3]
    cdef uint16_t expiry_yymm = (<const uint16_t*>evidence.proof)[4]
    cdef uint64_t highest, counter
    evidence.found_medium_id = request.card_number
    if medium == NULL:
        return OUTCOME_MEDIUM_UNKNOWN
    version = shown_version(medium, evidence)
    if version > KEY_VERSION_MAX:
        return OUTCOME_KEY_MISSING
    evidence.found_key_version = <uint8_t>version
    if keys.pairs[version] == NULL or not derive(keys, PURPOSE_JITTER, version, DERIVE_JITTER,
                                                 packed_digits(request.card_number, 8), 8):
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
    told = ticket_digits(keys.card, version, request.card_number, expiry_yymm, <uint32_t>counter)
    if CRYPTO_memcmp(&told, &digits, 4) != 0:
        return OUTCOME_WRONG
    evidence.found_counter = counter
    evidence.next = (medium.pending_counter if medium.pending_counter and counter == medium.counter
                     else <uint32_t>counter + 1)
    told = ticket_digits(keys.card, version, request.card_number, expiry_yymm, evidence.next)
    memcpy(evidence.answer, &told, 4)
    return OUTCOME_GENUINE


# ------------------------------------------------------------------------ tag

cdef uint8_t examine_tag(Tables tables, KeyRing keys, evidence_t* evidence,
                         medium_record_t** medium) noexcept nogil:
    """NTAG 424 DNA secure unique messages (NXP AN12196): PICC data encrypted, MAC over nothing but the counter."""
    cdef uint8_t data[BLOCK_BYTES]
    cdef uint64_t numbers[2]
    cdef uint8_t full[BLOCK_BYTES]
    cdef uint8_t short_mac[8]
    cdef int out_bytes = 0, i
    cdef bint is_open
    evidence.found_key_version = evidence.key_version
    if not derive_key(keys, PURPOSE_TAG, evidence.key_version, DERIVE_TAG_META, 0, UID_BYTES, full):
        return OUTCOME_KEY_MISSING
    is_open = (EVP_DecryptInit_ex(keys.opener, NULL, NULL, full, NULL) == 1
               and EVP_DecryptUpdate(keys.opener, data, &out_bytes, evidence.proof, BLOCK_BYTES) == 1)
    OPENSSL_cleanse(full, BLOCK_BYTES)
    if not is_open or data[0] != PICC_TAG:
        return OUTCOME_WRONG
    evidence.found_medium_id = big(data + 1, UID_BYTES)
    medium[0] = <medium_record_t*>tables.media.find(MEDIUM_TAG, evidence.found_medium_id, 0)
    if medium[0] == NULL:
        return OUTCOME_MEDIUM_UNKNOWN
    if not derive(keys, PURPOSE_TAG, evidence.key_version, DERIVE_TAG, evidence.found_medium_id, UID_BYTES):
        return OUTCOME_KEY_MISSING
    # SV2: 3CC3 0001 0080 | UID | counter.
    numbers[0] = <uint64_t>0x3CC3000100800000 | evidence.found_medium_id >> 40
    numbers[1] = evidence.found_medium_id << 24 | big(data + 1 + UID_BYTES, 3)
    cmac_of_numbers(keys.card, numbers, 1, True, keys.session.k1)
    if not cmac_take_key(keys.session):
        return OUTCOME_KEY_MISSING
    cmac_of_bytes(keys.session, NULL, 0, full)
    for i in range(8):
        short_mac[i] = full[2 * i + 1]
    if CRYPTO_memcmp(short_mac, evidence.tag_mac, 8) != 0:
        return OUTCOME_WRONG
    evidence.found_counter = data[8] | <uint64_t>data[9] << 8 | <uint64_t>data[10] << 16
    return OUTCOME_GENUINE


# ------------------------------------------------------------------------ the road

cdef void find_proof(Tables tables, uint8_t* message, uint32_t message_bytes, proof_t* proof) noexcept nogil:
    """Evidence behind a message of any form, and the hashed key of the medium that it names."""
    proof.evidence, proof.medium, proof.is_examined, proof.is_refused = NULL, NULL, False, False
    if message_bytes < sizeof(header_t):
        return
    proof.evidence = <evidence_t*>evidence_in((<const header_t*>message).type, message + sizeof(header_t),
                                              message_bytes - <uint32_t>sizeof(header_t))
    if proof.evidence != NULL:
        proof.medium_hashed = tables.media.hashed(proof.evidence.medium, proof.evidence.medium_id, 0)


cdef void examine(Tables tables, KeyRing keys, const challenges_t* challenges, uint32_t terminal_id, int64_t now_ms,
                  uint8_t* message, uint32_t message_bytes, proof_t* proof, chips_t* chips) noexcept nogil:
    """Find out what a request's evidence is worth, in place; once, since what was found must be zero before.

    A chip's is put into `chips`, and `settle_chips` must come behind the last one; NULL: this one is alone.
    """
    cdef const header_t* header = <const header_t*>message
    cdef debit_request_t* request = <debit_request_t*>(message + sizeof(header_t))
    cdef uint32_t body_bytes = message_bytes - <uint32_t>sizeof(header_t)
    cdef const uint64_t* found = <const uint64_t*>(message + message_bytes - FOUND_BYTES)
    cdef evidence_t* evidence = proof.evidence
    cdef medium_record_t* medium = proof.medium
    cdef uint8_t kind = evidence.medium
    cdef chips_t alone
    if chips == NULL:
        alone.count = 0
        examine(tables, keys, challenges, terminal_id, now_ms, message, message_bytes, proof, &alone)
        settle_chips(keys, &alone)
        return
    proof.is_examined, proof.medium = True, NULL
    if evidence.flags & ~EVIDENCE_FLAGS_KNOWN or found[0] | found[1] | found[2] | found[3]:
        proof.is_refused, proof.fault.code, proof.fault.expected = True, CODE_RESERVED_NOT_ZERO, 0
        if evidence.flags & ~EVIDENCE_FLAGS_KNOWN:
            proof.fault.offset, proof.fault.got = body_bytes - EVIDENCE_BYTES + FLAGS_AT, evidence.flags
        else:
            proof.fault.offset = body_bytes - FOUND_BYTES
            memcpy(&proof.fault.got, found, 4)
        return
    if kind == MEDIUM_CHIP or kind == MEDIUM_CODE:
        medium = <medium_record_t*>tables.media.find_fetched(<uint8_t*>medium, proof.medium_hashed, kind,
                                                             evidence.medium_id, 0)
    elif kind == MEDIUM_STRIPE:
        medium = <medium_record_t*>tables.media.find(MEDIUM_STRIPE, request.card_number, 0)
    else:
        medium = NULL
    if kind == MEDIUM_CHIP:
        evidence.outcome = compose_chip(tables, keys, terminal_id, header.type, request, medium, evidence,
                                        keys.lanes.card[chips.count], &chips.cryptograms[chips.count])
        if evidence.outcome == OUTCOME_NOT_CHECKED:
            chips.challenges[chips.count], chips.evidences[chips.count] = challenges, evidence
            chips.count += 1
            if chips.count == CMAC_LANES:
                settle_chips(keys, chips)
    elif kind == MEDIUM_CODE:
        evidence.outcome = examine_code(tables, keys, now_ms, medium, evidence)
    elif kind == MEDIUM_STRIPE:
        evidence.outcome = examine_stripe(keys, request, medium, evidence)
    elif kind == MEDIUM_TAG:
        evidence.outcome = examine_tag(tables, keys, evidence, &medium)
    if request.card_number == 0 and medium != NULL and (kind == MEDIUM_CODE or kind == MEDIUM_TAG):
        request.card_number = medium.card_number
    proof.medium = medium
