"""Examining the proof of a medium, before the decision."""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from switch._form cimport fault_t
from switch._keys cimport CMAC_LANES, KeyRing, cryptogram_t
from switch._layout cimport evidence_t, medium_record_t
from switch._tables cimport Tables

cdef enum:
    CHALLENGE_BYTES = 8


cdef struct challenges_t:
    # What chips of a session must have been asked: this session's, and that of the terminal's session before.
    uint8_t current[CHALLENGE_BYTES]
    uint8_t previous[CHALLENGE_BYTES]


cdef struct proof_t:
    # Evidence of a message, what was found for it, and what it came to.
    evidence_t* evidence             # behind the message's body; NULL: none
    medium_record_t* medium          # of the medium that the evidence names: fetched ahead; examined: the record itself
    uint32_t medium_hashed           # the key of that medium, hashed
    bint is_examined
    bint is_refused                  # examined: what the switch fills in was not zero, and `fault` says where
    fault_t fault


cdef struct chips_t:
    # Proofs of chips that wait to be examined side by side.
    int count
    evidence_t* evidences[CMAC_LANES]
    const challenges_t* challenges[CMAC_LANES]
    cryptogram_t cryptograms[CMAC_LANES]


cdef void find_proof(Tables tables, uint8_t* message, uint32_t message_bytes, proof_t* proof) noexcept nogil
cdef void examine(Tables tables, KeyRing keys, const challenges_t* challenges, uint32_t terminal_id, int64_t now_ms,
                  uint8_t* message, uint32_t message_bytes, proof_t* proof, chips_t* chips) noexcept nogil
cdef void settle_chips(KeyRing keys, chips_t* chips) noexcept nogil
