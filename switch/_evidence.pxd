"""What a card was read from: whether its medium may pay, what an accepted proof changes, when a PIN is asked for."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t

from switch._decision cimport ask_t, decision_t
from switch._layout cimport *
from switch._tables cimport Tables


cdef struct verdict_t:
    medium_record_t* medium          # NULL: no evidence
    uint8_t reason                   # ReferReason: a PIN is asked for; 0: none
    bint waits                       # the proof is accepted only when the PIN was right: the chip's counter jumped
    bint late                        # a cryptogram that was made while the terminal was cut off


# Row 6b of section 4: code, and in the verdict what row 7 has to ask. A quote changes nothing.
cdef uint16_t judge(Tables tables, const ask_t* ask, card_record_t* card, const card_type_record_t* card_type,
                    int64_t amount_minor, bint is_quote, verdict_t* verdict, decision_t* decision) noexcept nogil

# Row 7 where the verdict has a reason: the PIN as the request has it, or REFER.
cdef uint16_t check_pin_asked(Tables tables, const ask_t* ask, card_record_t* card,
                              const card_type_record_t* card_type, const uint8_t* pin, const verdict_t* verdict,
                              decision_t* decision) noexcept nogil

# Code for a card number that no card has. Evidence without a number is of a medium that nobody knows, and counts.
cdef uint16_t card_unknown(Tables tables, const ask_t* ask, uint64_t card_number, bint is_quote,
                           decision_t* decision) noexcept nogil

# What goes back to the medium, behind everything else that the reply carries.
cdef void write_issuer_answer(decision_t* decision) noexcept nogil


cdef inline uint32_t purpose_of(uint8_t medium) noexcept nogil:
    """Purpose of the key that the medium's proof was made with."""
    if medium == MEDIUM_CHIP:
        return PURPOSE_CHIP
    if medium == MEDIUM_CODE:
        return PURPOSE_CODE
    if medium == MEDIUM_STRIPE:
        return PURPOSE_STRIPE
    return PURPOSE_TAG


cdef inline uint16_t judge_medium(Tables tables, const ask_t* ask, card_record_t* card,
                                  const card_type_record_t* card_type, int64_t amount_minor, bint is_quote,
                                  verdict_t* verdict, decision_t* decision) noexcept nogil:
    """`judge`, at the cost of two comparisons where nothing was read from a medium and no card type has a policy."""
    verdict.reason = 0
    if ask.evidence == NULL and tables.medium_policies.array.count == 0:
        return CODE_APPROVED
    return judge(tables, ask, card, card_type, amount_minor, is_quote, verdict, decision)


cdef inline uint16_t judge_without_pin(Tables tables, const ask_t* ask, card_record_t* card,
                                       const card_type_record_t* card_type, int64_t amount_minor,
                                       decision_t* decision) noexcept nogil:
    """Of a request that carries no PIN: a reason to ask for one refuses it."""
    cdef verdict_t verdict
    cdef uint16_t code = judge_medium(tables, ask, card, card_type, amount_minor, False, &verdict, decision)
    if code == CODE_APPROVED and verdict.reason:
        decision.reply.detail = verdict.reason
        return CODE_REFER
    return code
