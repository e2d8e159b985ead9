"""PINs: hashed and sealed as they come in, so that nothing behind ever sees one."""

from libc.stdint cimport uint8_t, uint32_t

from switch._form cimport fault_t
from switch._keys cimport KeyRing
from switch._tables cimport Tables
from switch.duplicates cimport AnswerWindow
from switch.group_commit cimport GroupCommit

# Replace every PIN of a message by its sealed hash. False: a PIN field is not 4 to 12 digits; `fault` says which.
# `active`: version of the PIN key that new PINs get, 0: none. `before`: body of the request of this type that was
# answered under this key, or NULL; a repeat of it is sealed as that was, whatever the record rests on since.
cdef bint hide_pins(Tables tables, KeyRing keys, uint32_t active, const uint8_t* before, uint8_t* message,
                    uint32_t message_bytes, bint has_evidence, fault_t* fault) noexcept nogil

# Version of a key that is ACTIVE; 0: none.
cdef uint8_t active_version(Tables tables, uint8_t purpose) noexcept nogil

# While PINs are under several keys: body of the answered request that a message repeats, if it is of this type and
# length; else NULL.
cdef const uint8_t* answered_body(KeyRing keys, AnswerWindow answers, GroupCommit commit, uint32_t terminal_id,
                                  const uint8_t* message, uint32_t message_bytes) noexcept nogil
