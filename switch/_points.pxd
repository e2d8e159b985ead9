"""Points and visits by message: converted, redeemed, adjusted, moved, credited late (docs/decision.md, 11 and 12)."""

from libc.stdint cimport uint16_t

from switch._decision cimport ask_t, decision_t
from switch._layout cimport *
from switch._rules cimport Rules
from switch._tables cimport Tables

# Each returns the code of its reply and shows the account of a card that is known. `rules` matters to a backfill only.
cdef uint16_t convert(Tables tables, Rules rules, const ask_t* ask, const convert_request_t* request,
                      decision_t* decision) noexcept nogil
cdef uint16_t redeem(Tables tables, Rules rules, const ask_t* ask, const redeem_request_t* request,
                     decision_t* decision) noexcept nogil
cdef uint16_t adjust_points(Tables tables, Rules rules, const ask_t* ask, const adjust_points_request_t* request,
                            decision_t* decision) noexcept nogil
cdef uint16_t transfer_points(Tables tables, Rules rules, const ask_t* ask, const transfer_points_request_t* request,
                              decision_t* decision) noexcept nogil
cdef uint16_t load_visits(Tables tables, Rules rules, const ask_t* ask, const load_visits_request_t* request,
                          decision_t* decision) noexcept nogil
cdef uint16_t backfill(Tables tables, Rules rules, const ask_t* ask, const backfill_request_t* request,
                       decision_t* decision) noexcept nogil

# Section 7, rows 12 and 13: undo an approved original, as its entry has it. Its account is settled, and its card not
# RETURNED or VOID; marking the original and showing the account are the caller's.
cdef uint16_t undo_redeem(Tables tables, const ask_t* ask, const redeem_request_t* original, const reply_t* answer,
                          account_record_t* account, decision_t* decision) noexcept nogil
cdef uint16_t undo_load_visits(Tables tables, const ask_t* ask, const load_visits_request_t* original,
                               const reply_t* answer, account_record_t* account, decision_t* decision) noexcept nogil
