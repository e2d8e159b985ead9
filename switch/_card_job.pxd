"""One operation on one card, and what it pays: what the steps of the card desk share."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from switch._decision cimport ask_t, decision_t
from switch._layout cimport *
from switch._tables cimport Tables


cdef struct job_t:
    const ask_t* ask
    const operate_card_request_t* request
    decision_t* decision
    const card_record_t* known           # as it was; NULL: no card has the number
    card_record_t card                   # as it will be, when all checks have passed
    account_record_t* account            # of the known card; NULL: none
    const card_type_record_t* card_type  # version in force of the card's type; NULL: none
    uint16_t detail                      # what the result says beside its code
    int64_t charged_minor                # fees that were taken
    int64_t paid_out_minor


# The changed card becomes the card: counted, findable, an image.
cdef void keep_card(Tables tables, const card_record_t* card, decision_t* decision) noexcept nogil

# A new account with nothing in it (room was checked before).
cdef account_record_t* new_account(Tables tables, uint64_t account_number, decision_t* decision) noexcept nogil

# Last business date of a card that may be used from today on; 0: no end.
cdef uint32_t expiry_from(uint32_t date, const card_type_record_t* card_type) noexcept nogil

# Whether the last business date of a card has passed.
cdef bint has_passed(const card_record_t* card, uint32_t today) noexcept nogil

# Live cards of the job's account besides its card.
cdef uint32_t other_live_cards(Tables tables, const job_t* job) noexcept nogil

cdef uint32_t fee_minor(const card_type_record_t* card_type, uint32_t fee) noexcept nogil

# Whether the fee can be paid as the request says, out of what is available; adds what it takes.
cdef bint can_pay(const job_t* job, uint32_t fee, int64_t available_minor, int64_t* charged_minor,
                  int64_t* from_balance_minor) noexcept nogil

# Take a fee of a card with an account. CODE_APPROVED or CODE_FEE_REFUSED. Call it as the last check.
cdef uint16_t charge(job_t* job, uint32_t fee) noexcept nogil

# Whether the terminal may hand out a drawn card.
cdef bint in_custody(const ask_t* ask, const card_record_t* card) noexcept nogil

# State of a card's type, 0 when there is none.
cdef uint8_t state_of_type(Tables tables, uint32_t code) noexcept nogil
