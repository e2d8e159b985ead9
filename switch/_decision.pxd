"""What every decision reads besides its request, and what it leaves behind.

`touch` is the one way by which a record gets into an entry: it stamps the
record with the entry's sequence and remembers it as an image, once.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from switch._layout cimport *

cdef enum:
    IMAGES_MAX = 1024        # one card's decision has 400 at most (a return: purses, pending points); ranges stop
    IMAGES_PER_CARD_MAX = 400
    MORE_BYTES_MAX = 8192    # 255 line results are 6,120 bytes


cdef struct ask_t:
    uint32_t terminal_id
    uint32_t rights
    int64_t now_ms
    uint32_t today                   # business date
    uint32_t local_date              # local date of now, whatever the cut-over
    uint16_t minute                  # local minute of the day
    uint8_t weekday                  # ISO weekday of today, 1 to 7
    uint32_t store_id                # the terminal's store; 0: none
    uint32_t organisation_id         # of that store; 0: none
    uint16_t round_off_minor         # of that store
    uint8_t terminal_status
    const evidence_t* evidence       # behind the request's body, examined; NULL: none
    medium_record_t* medium          # of that evidence, where it was found just now; NULL: not looked for, or not there


cdef struct decision_t:
    reply_t reply
    uint32_t more_bytes              # what follows the reply
    uint32_t image_count
    uint32_t issuing_organisation_id
    bint marks_original
    bint changes_place               # the terminal, or its store, is not what `ask_t` says any more
    const evidence_t* issuer_answer  # its answer goes back to the medium; NULL: none does
    uint32_t original_date
    uint64_t original_key
    uint8_t* images[IMAGES_MAX]
    uint8_t more[MORE_BYTES_MAX]


cdef inline void begin(decision_t* decision) noexcept nogil:
    """A decision that says nothing yet."""
    memset(&decision.reply, 0, sizeof(reply_t))
    decision.more_bytes = decision.image_count = decision.issuing_organisation_id = 0
    decision.marks_original = decision.changes_place = False
    decision.issuer_answer = NULL


cdef inline void touch(decision_t* decision, void* record) noexcept nogil:
    """The record was changed by this decision: stamp it, and make it an image (once)."""
    cdef uint8_t* at = <uint8_t*>record
    cdef uint32_t i
    (<uint64_t*>(at + RECORD_BYTES_OF[at[0]] - 8))[0] = decision.reply.journal_sequence
    for i in range(decision.image_count):
        if decision.images[i] == at:
            return
    decision.images[decision.image_count] = at
    decision.image_count += 1


cdef inline void show_account(reply_t* reply, const account_record_t* account) noexcept nogil:
    """Balance, what is available of it, and points of category 0, as they are now."""
    reply.balance_minor = account.balance_minor
    reply.available_minor = account.balance_minor - account.held_minor
    reply.points_balance_hundredths = account.points_hundredths


cdef inline uint16_t invalid(reply_t* reply, uint16_t offset) noexcept nogil:
    """FIELD_INVALID: the field at this offset of the body."""
    reply.detail = offset
    return CODE_FIELD_INVALID
