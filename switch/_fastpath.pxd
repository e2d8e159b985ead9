"""The hot decision: bytes of a request in, entry and reply out, no Python object in between."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from switch._examine cimport challenges_t, chips_t, proof_t
from switch._keys cimport KeyRing
from switch._decision cimport MORE_BYTES_MAX, ask_t, decision_t
from switch._form cimport fault_t
from switch._layout cimport debit_request_t, evidence_t, header_t, medium_record_t, reply_t
from switch._rules cimport Rules
from switch._sale cimport sale_t
from switch._tables cimport Tables
from switch._zone cimport zone_t
from switch.duplicates cimport AnswerWindow
from switch.group_commit cimport GroupCommit

cdef enum:
    ANSWER_BYTES_MAX = 8312          # header, reply and MORE_BYTES_MAX of rows behind it


cdef class Engine:
    cdef readonly Tables tables
    cdef readonly Rules rules
    cdef decision_t* decision                    # of the message at hand; large, so it is made once
    cdef sale_t* sale                            # working space of a sale
    cdef ask_t ask
    cdef bint places_may_have_changed            # an operator message came: look up the terminal's place again
    cdef readonly KeyRing keys
    cdef uint32_t receipt_version                # ACTIVE version of the RECEIPT key; 0: none is loaded
    cdef uint32_t pin_version                    # ACTIVE version of the PIN key; 0: none is loaded
    cdef const reply_t* told_before              # while an entry is decided again: its reply
    cdef readonly AnswerWindow answers
    cdef readonly GroupCommit commit
    cdef readonly bint replay_mode
    cdef zone_t zone
    cdef int64_t last_now_ms
    cdef uint64_t entry_position                 # where the last decision was journaled; 0: it was not
    cdef uint64_t code_counts[256]
    cdef uint64_t type_counts[256]
    cdef uint64_t repeat_count

    cdef uint32_t local_date(self, int64_t now_ms) noexcept nogil
    cdef void fill_ask(self, uint32_t terminal_id, uint32_t rights, int64_t now_ms, uint32_t local_date,
                       uint32_t today) noexcept nogil
    cdef void fill_place(self, uint32_t terminal_id) noexcept nogil
    cdef uint32_t answer(self, uint32_t terminal_id, uint32_t rights, const challenges_t* challenges, uint8_t* message,
                         uint32_t message_bytes, proof_t* proof, int64_t now_ms, uint8_t* out) noexcept nogil
    cdef void examine_proof(self, uint32_t terminal_id, const challenges_t* challenges, uint8_t* message,
                            uint32_t message_bytes, proof_t* proof, int64_t now_ms, chips_t* chips) noexcept nogil
    cdef int64_t moment(self, const header_t* asked, const debit_request_t* keyed, int64_t now_ms) noexcept nogil
    cdef void give_receipt_code(self) noexcept nogil
    cdef void find_active_keys(self) noexcept nogil
    cdef uint32_t decide_one(self, uint32_t terminal_id, uint32_t rights, const uint8_t* message,
                             uint32_t message_bytes, int64_t now_ms, uint8_t* out) noexcept nogil
    cdef uint32_t _decide(self, uint32_t terminal_id, uint32_t rights, const uint8_t* message, uint32_t message_bytes,
                          const evidence_t* evidence, medium_record_t* medium, int64_t now_ms,
                          uint8_t* out) noexcept nogil
    cdef void _journal(self, uint8_t request_type, const uint8_t* body, uint32_t body_bytes,
                       const debit_request_t* keyed) noexcept nogil
    cdef bint _begin_date(self, uint32_t today, int64_t now_ms, uint8_t* out) noexcept nogil
    cdef uint32_t _refuse(self, uint8_t* out, const header_t* asked, const fault_t* fault) noexcept nogil
    cdef uint32_t _no_room(self, uint8_t* out, const header_t* asked, reply_t* reply) noexcept nogil
