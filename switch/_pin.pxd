"""PINs: hashed as they come in, so that nothing behind ever sees one."""

from libc.stdint cimport uint8_t, uint32_t

from switch._form cimport fault_t
from switch._tables cimport Tables

# Replace every PIN of a message by its keyed hash. False: a PIN field is not 4 to 12 digits; `fault` says which.
cdef bint hide_pins(Tables tables, const uint8_t* pin_key, uint8_t* message, uint32_t message_bytes,
                    bint has_evidence, fault_t* fault) noexcept nogil
