"""One operation on one card, and what it pays: what the steps of the card desk share.

A step works on a copy of the card, so that a check that fails half-way leaves
nothing behind; `keep_card` makes the copy the card.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from switch._account cimport available
from switch._decision cimport ask_t, decision_t, touch
from switch._layout cimport *
from switch._tables cimport Tables


cdef void keep_card(Tables tables, const card_record_t* card, decision_t* decision) noexcept nogil:
    cdef account_record_t* account
    if tables.put(<const uint8_t*>card) == 0:
        touch(decision, tables.card(card.card_number, &account))


cdef account_record_t* new_account(Tables tables, uint64_t account_number, decision_t* decision) noexcept nogil:
    cdef account_record_t record
    cdef account_record_t* account
    memset(&record, 0, sizeof(record))
    record.kind, record.version, record.account_number = KIND_ACCOUNT, 2, account_number
    tables.put(<const uint8_t*>&record)
    account = tables.account_named(account_number)
    touch(decision, account)
    return account


cdef uint32_t expiry_from(uint32_t date, const card_type_record_t* card_type) noexcept nogil:
    return date + card_type.validity_days if card_type.validity_days else 0


cdef bint has_passed(const card_record_t* card, uint32_t today) noexcept nogil:
    return card.expiry_date != 0 and card.expiry_date < today


cdef uint32_t other_live_cards(Tables tables, const job_t* job) noexcept nogil:
    return tables.live_on(job.account) - (STATUSES_LIVE >> job.known.status & 1)


cdef uint32_t fee_minor(const card_type_record_t* card_type, uint32_t fee) noexcept nogil:
    return (<const uint32_t*>card_type.fees_minor)[fee] if card_type != NULL else 0


cdef bint can_pay(const job_t* job, uint32_t fee, int64_t available_minor, int64_t* charged_minor,
                  int64_t* from_balance_minor) noexcept nogil:
    cdef uint32_t amount_minor = fee_minor(job.card_type, fee)
    if amount_minor == 0:
        return True
    if job.request.fee_tender == FEE_TENDER_WAIVED:
        return job.card_type.fees_waivable >> fee & 1
    if job.request.fee_tender == FEE_TENDER_BALANCE:
        if not job.card_type.fees_from_balance >> fee & 1 or available_minor - from_balance_minor[0] < amount_minor:
            return False
        from_balance_minor[0] += amount_minor
    charged_minor[0] += amount_minor
    return True


cdef uint16_t charge(job_t* job, uint32_t fee) noexcept nogil:
    cdef int64_t from_balance_minor = 0
    if not can_pay(job, fee, available(job.account), &job.charged_minor, &from_balance_minor):
        return CODE_FEE_REFUSED
    if from_balance_minor:
        job.account.balance_minor -= from_balance_minor
        touch(job.decision, job.account)
    return CODE_APPROVED


cdef bint in_custody(const ask_t* ask, const card_record_t* card) noexcept nogil:
    return card.status != CARD_DRAWN or ask.store_id == 0 or ask.store_id == card.custody_store_id


cdef uint8_t state_of_type(Tables tables, uint32_t code) noexcept nogil:
    cdef const type_state_record_t* record = tables.type_state(code)
    return record.state if record != NULL else 0
