"""The journal: append-only blocks in preallocated segments, each chained to the one before by its hash.

Owns the file format (layouts in protocol/records.py) and the port that the
core writes through.  Never decides what an entry says.  Invariant: a block is
appended behind the last one and made durable before anyone is told; a
position once written is never written again.

A position counts bytes over all segments: segment number * segment_bytes +
offset.  A block never crosses a segment; the unused end of a segment stays
zero.
"""

import os

from libc.errno cimport errno
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free

from switch._blocks cimport entry_among
from switch._blocks import segment_path
from switch._layout cimport BLOCK_MAGIC, block_header_t

cdef extern from "<fcntl.h>" nogil:
    int c_open "open"(const char* path, int flags)
    int O_RDWR, O_CLOEXEC

cdef extern from "<unistd.h>" nogil:
    long pwrite(int fd, const void* data, size_t size, long offset)
    int fdatasync(int fd)
    int fsync(int fd)
    int c_close "close"(int fd)

cdef extern from "<sys/mman.h>" nogil:
    void* mmap(void* address, size_t size, int protection, int flags, int fd, long offset)
    int munmap(void* address, size_t size)
    int PROT_READ, MAP_SHARED
    void* MAP_FAILED

cdef uint64_t NOWHERE = <uint64_t>0xFFFFFFFFFFFFFFFF
BLOCK_BYTES_MAX = 4 * 1024 * 1024
"""Longest block: about 12,000 debits, more than 4,096 in flight ever need; a sync of it takes a few milliseconds."""
BLOCKS_PER_SEGMENT_MIN = 4
"""A segment holds at least this many of the longest blocks, so that at most a quarter of it is left unused."""


cdef class Journal:
    """Port: what the core needs of a journal. One owner appends blocks; anyone reads them back.

    `place(position)` says where the next block may start (NOWHERE: no room) and how much room is left;
    `append` writes a block and returns only when it is durable (0, or an errno: the switch must stop);
    `locate` gives the bytes of an entry written before, NULL when they cannot be read.
    `locate_sequence` gives the position of an entry on disk by its sequence, NOWHERE when it is not there.
    All are called without the GIL.
    """

    cdef uint64_t place(self, uint64_t position, int* room) noexcept nogil:
        return NOWHERE

    cdef int append(self, const uint8_t* block, uint32_t block_bytes, uint64_t position) noexcept nogil:
        return -1

    cdef const uint8_t* locate(self, uint64_t position) noexcept nogil:
        return NULL

    cdef uint64_t locate_sequence(self, uint64_t sequence) noexcept nogil:
        return NOWHERE


cdef class LocalJournal(Journal):
    """Journal in local files: zero-filled segments of equal size (zero-filling ahead halves the time of a sync)."""

    def __cinit__(self, str directory, uint32_t partition, uint64_t segment_bytes):
        if segment_bytes % 4096 or segment_bytes < 1 << 20:
            raise ValueError(f"segment_bytes: expected a multiple of 4096, 1 MiB or more, got {segment_bytes}")
        self.directory = directory
        self._directory = os.fsencode(directory)
        self._path = self._directory
        self.partition = partition
        self.segment_bytes = segment_bytes
        self.block_bytes_max = <uint32_t>min(BLOCK_BYTES_MAX, segment_bytes // BLOCKS_PER_SEGMENT_MIN)
        # Address space only; a table that never moves can be read by one thread while another opens a segment.
        self.segments = <segment_t*>calloc(SEGMENTS_MAX, sizeof(segment_t))
        if self.segments == NULL:
            raise MemoryError("journal: no address space for its segment table")
        self.prepared_count = 0
        self.current_segment = 0
        self.disk_full = False

    def __dealloc__(self):
        cdef uint64_t i
        for i in range(self.prepared_count if self.segments != NULL else 0):
            if self.segments[i].fd_plus_one:
                c_close(self.segments[i].fd_plus_one - 1)
            if self.segments[i].map != NULL:
                munmap(self.segments[i].map, self.segment_bytes)
            free(self.segments[i].marks)
        free(self.segments)

    @property
    def spare_count(self):
        """Segments that are ready behind the current one."""
        return max(0, <int64_t>self.prepared_count - <int64_t>self.current_segment - 1)

    @property
    def segments_prepared(self):
        """Number of segments that exist."""
        return self.prepared_count

    def segment_is_ready(self, uint64_t number):
        """Told by the preparer: segment `number` exists, zero-filled and durable."""
        if number != self.prepared_count:
            raise ValueError(f"segment: expected number {self.prepared_count}, got {number}; prepare them in order")
        self.prepared_count = number + 1

    def end_of_segment(self, uint64_t number):
        """Position behind the last block of a finished segment, else None."""
        cdef const uint8_t* at
        cdef const block_header_t* header
        cdef uint64_t offset = 0
        if number >= self.current_segment:
            return None
        if self.segments[number].end == 0:
            at = self.locate(number * self.segment_bytes)
            if at == NULL:
                raise OSError(f"{segment_path(self.directory, number)}: cannot be read; restore it from a copy")
            while offset + sizeof(block_header_t) <= self.segment_bytes:
                header = <const block_header_t*>(at + offset)
                if header.magic != BLOCK_MAGIC:
                    break
                offset += sizeof(block_header_t) + header.body_bytes
            self.segments[number].end = number * self.segment_bytes + offset
        return self.segments[number].end

    cdef int _open(self, uint64_t number) noexcept nogil:
        cdef char path[4096]
        cdef int fd
        if number >= SEGMENTS_MAX:
            return -1
        if self.segments[number].fd_plus_one == 0:
            snprintf(path, sizeof(path), "%s/%012llu.segment", self._path, <unsigned long long>number)
            fd = c_open(path, O_RDWR | O_CLOEXEC)
            if fd < 0:
                return -1
            self.segments[number].fd_plus_one = fd + 1
        return self.segments[number].fd_plus_one - 1

    cdef void _close(self, uint64_t number) noexcept nogil:
        if self.segments[number].fd_plus_one:
            c_close(self.segments[number].fd_plus_one - 1)
            self.segments[number].fd_plus_one = 0

    cdef uint64_t place(self, uint64_t position, int* room) noexcept nogil:
        cdef uint64_t number = position // self.segment_bytes
        cdef uint64_t left_bytes = self.segment_bytes - position % self.segment_bytes
        if left_bytes < self.block_bytes_max:
            if number + 1 >= self.prepared_count:
                room[0] = ROOM_NONE
                return NOWHERE
            self.segments[number].end = position
            if number > 0:
                self._close(number - 1)          # a block may be in flight in this segment, but not before it
            number += 1
            position = number * self.segment_bytes
            left_bytes = self.segment_bytes
        if number >= self.prepared_count or self._open(number) < 0:
            room[0] = ROOM_NONE
            return NOWHERE
        self.current_segment = number
        # Without a spare segment the last quarter is kept for what may not be refused.
        if number + 1 < self.prepared_count or left_bytes >= self.segment_bytes // 4 + self.block_bytes_max:
            room[0] = ROOM_PLENTY
        else:
            room[0] = ROOM_RESERVE
        return position

    cdef int append(self, const uint8_t* block, uint32_t block_bytes, uint64_t position) noexcept nogil:
        cdef int fd = self.segments[position // self.segment_bytes].fd_plus_one - 1
        cdef long offset = <long>(position % self.segment_bytes), written
        while block_bytes:
            written = pwrite(fd, block, block_bytes, offset)     # disk
            if written < 0:
                return errno
            block += written
            block_bytes -= <uint32_t>written
            offset += written
        return 0 if fdatasync(fd) == 0 else errno                # disk

    cdef const uint8_t* locate(self, uint64_t position) noexcept nogil:
        cdef uint64_t number = position // self.segment_bytes
        cdef segment_t* segment
        cdef void* at
        cdef bint was_open
        if number >= self.prepared_count:
            return NULL
        segment = &self.segments[number]
        if segment.map == NULL:
            was_open = segment.fd_plus_one != 0
            if self._open(number) < 0:
                return NULL
            at = mmap(NULL, self.segment_bytes, PROT_READ, MAP_SHARED, segment.fd_plus_one - 1, 0)
            if not was_open and number < self.current_segment:
                self._close(number)              # the map stays without it
            if at == MAP_FAILED:
                return NULL
            segment.map = <uint8_t*>at
        return segment.map + position % self.segment_bytes

    cdef uint64_t _first_sequence(self, uint64_t number) noexcept nogil:
        """Sequence of a segment's first entry; beyond every sequence when it has no block or cannot be read."""
        cdef const block_header_t* header = <const block_header_t*>self.locate(number * self.segment_bytes)
        return NOWHERE if header == NULL or header.magic != BLOCK_MAGIC else header.first_sequence

    cdef uint64_t locate_sequence(self, uint64_t sequence) noexcept nogil:
        """Cold: searches the segments, then walks from block to block, from the last place that it remembers.

        Only durable entries may be asked for: a block that is being written is not to be walked into.
        """
        cdef uint64_t low = 0, high = self.prepared_count, middle, offset = 0, stretch_bytes
        cdef int stretch
        cdef segment_t* segment
        cdef block_mark_t* mark
        cdef const uint8_t* start
        cdef const uint8_t* entry
        cdef const block_header_t* header
        if high == 0 or sequence == 0 or self._first_sequence(0) > sequence:
            return NOWHERE
        while low + 1 < high:                    # the entry is in segment `low` or a later one, before `high`
            middle = (low + high) // 2
            if self._first_sequence(middle) <= sequence:
                low = middle
            else:
                high = middle
        segment = &self.segments[low]
        if segment.marks == NULL:
            segment.marks = <block_mark_t*>calloc(MARKS_PER_SEGMENT, sizeof(block_mark_t))
            if segment.marks == NULL:
                return NOWHERE
        stretch_bytes = self.segment_bytes // MARKS_PER_SEGMENT
        for stretch in range(MARKS_PER_SEGMENT - 1, -1, -1):
            mark = &segment.marks[stretch]
            if mark.first_sequence != 0 and mark.first_sequence <= sequence:
                offset = mark.offset
                break
        start = self.locate(low * self.segment_bytes)        # it could be read just now
        while start != NULL and offset + sizeof(block_header_t) <= self.segment_bytes:
            header = <const block_header_t*>(start + offset)
            if header.magic != BLOCK_MAGIC or header.first_sequence > sequence:
                break
            mark = &segment.marks[min(offset // stretch_bytes, <uint64_t>MARKS_PER_SEGMENT - 1)]
            if mark.first_sequence == 0:
                mark.first_sequence, mark.offset = header.first_sequence, offset
            if sequence - header.first_sequence < header.entry_count:
                offset += sizeof(block_header_t)
                entry = entry_among(start + offset, min(<uint64_t>header.body_bytes, self.segment_bytes - offset),
                                    sequence)
                return NOWHERE if entry == NULL else low * self.segment_bytes + <uint64_t>(entry - start)
            offset += sizeof(block_header_t) + header.body_bytes
        return NOWHERE

    def find_sequence(self, uint64_t sequence):
        """Position of a durable entry by its sequence, or None."""
        cdef uint64_t position = self.locate_sequence(sequence)
        return None if position == NOWHERE else position

    def read(self, uint64_t position, uint64_t bytes_max, uint64_t durable_position):
        """Durable bytes from a position on: (position of the first byte, bytes).

        The unused end of a finished segment is skipped. Empty bytes: nothing more is durable.
        ValueError when the position lies behind the durable end.
        """
        cdef uint64_t number = position // self.segment_bytes
        if position > durable_position:
            raise ValueError(f"journal position: expected at most {durable_position} (durable), got {position}")
        end = self.end_of_segment(number)
        if end is not None and position >= end and durable_position >= (number + 1) * self.segment_bytes:
            number += 1
            position = number * self.segment_bytes
            end = self.end_of_segment(number)
        segment_end = end if end is not None else (number + 1) * self.segment_bytes
        stop = min(durable_position, segment_end, position + bytes_max)
        if stop <= position:
            return position, b""
        with open(segment_path(self.directory, number), "rb", buffering=0) as file:
            return position, os.pread(file.fileno(), stop - position, position % self.segment_bytes)


def zero_fill(int fd, uint64_t size_bytes):
    """Write zeros from the start of a file and make them durable; OSError when that fails.

    In one call without the interpreter lock: a thread that asks for it after every piece waits for the loop every time.
    """
    cdef uint64_t done = 0
    cdef long written = 0
    cdef int failed = 0
    cdef uint8_t* zeros = <uint8_t*>calloc(1, ZERO_FILL_BYTES)
    if zeros == NULL:
        raise MemoryError("journal: no memory to fill a segment with zeros")
    with nogil:
        while done < size_bytes and failed == 0:
            written = pwrite(fd, zeros, min(<uint64_t>ZERO_FILL_BYTES, size_bytes - done), <long>done)      # disk
            if written < 0:
                failed = errno
            else:
                done += <uint64_t>written
        if failed == 0 and fsync(fd) != 0:                                                                  # disk
            failed = errno
    free(zeros)
    if failed:
        raise OSError(failed, os.strerror(failed))
