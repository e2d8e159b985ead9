"""Parts of a journal entry, read in place: header, request, reply, images."""

from libc.stdint cimport uint8_t, uint32_t

from switch._layout cimport *


cdef inline const uint8_t* request_of(const entry_header_t* entry) noexcept nogil:
    return <const uint8_t*>entry + sizeof(entry_header_t)


cdef inline const reply_t* reply_of(const entry_header_t* entry) noexcept nogil:
    """The reply: behind the request and its padding."""
    return <const reply_t*>(request_of(entry) + ((entry.request_bytes + 7) & ~7))


cdef inline const line_result_t* results_of(const entry_header_t* entry) noexcept nogil:
    """What follows the fixed part of a debit's reply."""
    return <const line_result_t*>(<const uint8_t*>reply_of(entry) + sizeof(reply_t))


cdef inline uint32_t result_count_of(const entry_header_t* entry) noexcept nogil:
    return (entry.reply_bytes - <uint32_t>sizeof(reply_t)) // <uint32_t>sizeof(line_result_t)


cdef inline const uint8_t* images_of(const entry_header_t* entry) noexcept nogil:
    """The images: behind the reply and its padding."""
    return <const uint8_t*>reply_of(entry) + ((entry.reply_bytes + 7) & ~7)
