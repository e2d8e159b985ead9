"""Key pages and slots, for Cython code that reads keys in place."""

from libc.stdint cimport uint8_t


cdef class KeyPage:
    cdef uint8_t* base               # the mapping; NULL once unmapped
    cdef size_t size_bytes
    cdef readonly int slot_count
    cdef bytearray taken             # 1 for each slot in use
    cdef long export_count           # buffers of all slots that somebody still holds
    cdef bint closed

    cdef bint alive(self) noexcept
    cdef void unmap(self) noexcept
    cdef void wipe_slot(self, int number) noexcept
    cdef void give_back(self, int number) noexcept


cdef class KeySlot:
    cdef KeyPage page
    cdef int number
    cdef Py_ssize_t key_bytes
    cdef Py_ssize_t export_count
    cdef bint wiped

    # Where the key's bytes are; raises KeyPageClosed when they are no more.
    cdef uint8_t* at(self) except NULL
