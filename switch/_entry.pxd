"""Parts of a journal entry, read in place: header, request, reply, images; and what writing them needs."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

from switch._decision cimport decision_t
from switch._form cimport evidence_in
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


cdef inline bint same_request(const entry_header_t* entry, uint8_t request_type, const uint8_t* body,
                              uint32_t body_bytes) noexcept nogil:
    if entry.request_type != request_type or entry.request_bytes != body_bytes:
        return False
    if evidence_in(request_type, body, body_bytes) != NULL:
        body_bytes -= FOUND_BYTES                # what was found depends on when it was looked for
    return memcmp(request_of(entry), body, body_bytes) == 0


cdef inline bint comes_before(const uint8_t* one, const uint8_t* other) noexcept nogil:
    """Order of images: by kind, then by key."""
    cdef const uint64_t* a = <const uint64_t*>one
    cdef const uint64_t* b = <const uint64_t*>other
    if one[0] != other[0]:
        return one[0] < other[0]
    if a[1] != b[1] or one[0] < FIRST_WIDE_KEY_KIND:
        return a[1] < b[1]
    return a[3] < b[3] if a[2] == b[2] else a[2] < b[2]


cdef inline void sort_images(decision_t* decision) noexcept nogil:
    """By insertion: a debit has one or two, and a range is mostly in order."""
    cdef uint8_t* image
    cdef uint32_t i, at
    for i in range(1, decision.image_count):
        image, at = decision.images[i], i
        while at > 0 and comes_before(image, decision.images[at - 1]):
            decision.images[at] = decision.images[at - 1]
            at -= 1
        decision.images[at] = image


cdef inline uint8_t* padded(uint8_t* at, uint32_t part_bytes) noexcept nogil:
    """Where the next part of an entry begins; what lies between is zero."""
    cdef uint32_t i
    for i in range(part_bytes, (part_bytes + 7) & ~<uint32_t>7):
        at[i] = 0
    return at + ((part_bytes + 7) & ~<uint32_t>7)
