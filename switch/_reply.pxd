"""Plain replies, written into the room of an answer; each returns its bytes."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset

from switch._form cimport fault_t
from switch._layout cimport *


cdef inline uint32_t write_reply(uint8_t* out, const header_t* asked, const reply_t* reply, const uint8_t* more,
                                 uint32_t more_bytes) noexcept nogil:
    cdef header_t* header = <header_t*>out
    header.version, header.type, header.flags = PROTOCOL_VERSION, asked.type | REPLY_BIT, 0
    header.sequence = asked.sequence
    memcpy(out + sizeof(header_t), reply, sizeof(reply_t))
    memcpy(out + sizeof(header_t) + sizeof(reply_t), more, more_bytes)
    return <uint32_t>(sizeof(header_t) + sizeof(reply_t)) + more_bytes


cdef inline uint32_t write_error(uint8_t* out, const header_t* asked, const fault_t* fault) noexcept nogil:
    cdef header_t* header = <header_t*>out
    cdef error_reply_t* error = <error_reply_t*>(out + sizeof(header_t))
    header.version, header.type, header.flags = PROTOCOL_VERSION, TYPE_ERROR | REPLY_BIT, 0
    header.sequence = asked.sequence
    memset(error, 0, sizeof(error_reply_t))
    error.code, error.type = fault.code, asked.type
    error.offset, error.expected, error.got = fault.offset, fault.expected, fault.got
    return sizeof(header_t) + sizeof(error_reply_t)
