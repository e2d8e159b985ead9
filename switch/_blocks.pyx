"""The journal's blocks: how they are hashed and checked, and a reader that walks over them.

One place for what a block must be, so that writer, start, checkpoint, audit
and `journal show` cannot disagree.  Reading stops at the first fault and says
what it is; whoever reads decides what that means.
"""

import os

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from switch._layout cimport (
    BLOCK_MAGIC, BLOCK_VERSION, CHECKED_HEADER_BYTES, ENTRY_ALIGN_BYTES, ENTRY_VERSION, HASHED_HEADER_BYTES,
    RECORD_BYTES_OF, block_header_t, entry_header_t)

cdef extern from "_crc32c.h" nogil:
    uint32_t c_crc32c "crc32c"(const uint8_t* data, size_t size)

cdef extern from "<sys/mman.h>" nogil:
    void* mmap(void* address, size_t size, int protection, int flags, int fd, long offset)
    int munmap(void* address, size_t size)
    int PROT_READ, MAP_SHARED
    void* MAP_FAILED

cdef extern from "openssl/evp.h" nogil:
    void* EVP_MD_CTX_new()
    void EVP_MD_CTX_free(void* context)
    const void* EVP_sha256()
    int EVP_DigestInit_ex(void* context, const void* algorithm, void* engine)
    int EVP_DigestUpdate(void* context, const void* data, size_t size)
    int EVP_DigestFinal_ex(void* context, uint8_t* out, unsigned int* out_bytes)

cdef bytes zeros_kept = bytes(12)            # as many as the header's last field has
cdef const char* ZEROS = zeros_kept
HEADER_BYTES = sizeof(block_header_t)
OTHER_PARTITION = "block of another partition"
OTHER_VERSION = "block of another version of the layout"
cdef uint64_t NO_SEGMENT = <uint64_t>0xFFFFFFFFFFFFFFFF
cdef const char* other_partition = b"block of another partition"
cdef const char* other_version = b"block of another version of the layout"


def crc32c(const uint8_t[::1] data not None):
    """CRC-32C (Castagnoli, RFC 3720) of some bytes."""
    return c_crc32c(&data[0], data.shape[0]) if data.shape[0] else 0


def segment_path(str directory, uint64_t number):
    """Path of a segment's file."""
    return os.path.join(directory, f"{number:012d}.segment")


cdef int digest_open(digest_t* digest) noexcept nogil:
    digest.context = EVP_MD_CTX_new()
    digest.algorithm = EVP_sha256()
    return 0 if digest.context != NULL else -1


cdef void digest_close(digest_t* digest) noexcept nogil:
    EVP_MD_CTX_free(digest.context)
    digest.context = NULL


cdef int block_digest(digest_t* digest, const uint8_t* block, uint32_t body_bytes, uint8_t* out) noexcept nogil:
    """SHA-256 of the header up to its own hash, then of the body."""
    cdef unsigned int out_bytes = 0
    if EVP_DigestInit_ex(digest.context, digest.algorithm, NULL) != 1:
        return -1
    if EVP_DigestUpdate(digest.context, block, HASHED_HEADER_BYTES) != 1:
        return -1
    if EVP_DigestUpdate(digest.context, block + sizeof(block_header_t), body_bytes) != 1:
        return -1
    return 0 if EVP_DigestFinal_ex(digest.context, out, &out_bytes) == 1 else -1


cdef const char* block_fault(digest_t* digest, const uint8_t* block, uint64_t room_bytes, uint32_t partition,
                             uint64_t block_number, const uint8_t* previous_hash) noexcept nogil:
    """Why these bytes are not the expected block; NULL when they are.

    `previous_hash` NULL: any predecessor. `digest` NULL: the body is not hashed (its entries have checksums).
    """
    cdef const block_header_t* header = <const block_header_t*>block
    cdef uint8_t computed[32]
    if room_bytes < sizeof(block_header_t):
        return "no room for a block header"
    if header.magic != BLOCK_MAGIC:
        return "no block header"
    if header.header_crc32c != c_crc32c(block, CHECKED_HEADER_BYTES):
        return "block header checksum does not match"
    if header.version != BLOCK_VERSION or header.header_bytes != sizeof(block_header_t):
        return other_version
    if header.partition != partition:
        return other_partition
    if header.block_number != block_number:
        return "block number out of order"
    if header.body_bytes > room_bytes - sizeof(block_header_t):
        return "block longer than its segment"
    if memcmp(header.reserved_more, ZEROS, sizeof(header.reserved_more)) != 0:
        return "reserved bytes of the block header are not zero"
    if previous_hash != NULL and memcmp(header.previous_hash, previous_hash, 32) != 0:
        return "chain broken: the block names another predecessor"
    if digest == NULL:
        return NULL
    if block_digest(digest, block, header.body_bytes, computed) != 0:
        return "OpenSSL could not compute SHA-256"
    if memcmp(header.block_hash, computed, 32) != 0:
        return "hash does not match the content"
    return NULL


cdef const char* entry_fault(const uint8_t* entry, uint64_t room_bytes, uint64_t sequence) noexcept nogil:
    """Why these bytes are not the expected entry; NULL when they are."""
    cdef const entry_header_t* header = <const entry_header_t*>entry
    cdef uint64_t needed
    cdef uint32_t _i
    if room_bytes < sizeof(entry_header_t) or header.entry_bytes > room_bytes:
        return "entry longer than its block"
    if header.version != ENTRY_VERSION:
        return "entry of another version of the layout"
    needed = (sizeof(entry_header_t) + ((<uint64_t>header.request_bytes + 7) & ~<uint64_t>7)
              + ((<uint64_t>header.reply_bytes + 7) & ~<uint64_t>7))
    for _i in range(header.image_count):
        if needed >= header.entry_bytes:
            return "entry length does not fit its parts"
        if RECORD_BYTES_OF[entry[needed]] == 0:
            return "entry has an image of an unknown kind of record"
        needed += RECORD_BYTES_OF[entry[needed]]
    if header.entry_bytes != needed or needed % ENTRY_ALIGN_BYTES:
        return "entry length does not fit its parts"
    if header.sequence != sequence:
        return "entry sequence out of order"
    if header.crc32c != c_crc32c(entry + 8, header.entry_bytes - 8):
        return "entry checksum does not match"
    return NULL


cdef const uint8_t* entry_among(const uint8_t* entries, uint64_t size_bytes, uint64_t sequence) noexcept nogil:
    """The entry with a sequence among a block's entries, which were checked before; NULL when it is not there."""
    cdef const entry_header_t* entry
    cdef uint64_t at = 0
    while at + sizeof(entry_header_t) <= size_bytes:
        entry = <const entry_header_t*>(entries + at)
        if entry.sequence == sequence:
            return entries + at
        if entry.entry_bytes < sizeof(entry_header_t):
            return NULL
        at += entry.entry_bytes
    return NULL


cdef class BlockReader:
    """Walks over the blocks of local segments in order, checking each; stops at the end or at the first fault.

    Start values continue a walk that ended before: position, number of the next block, hash of the block
    before it (32 bytes; empty for the start of the journal) and the next sequence. A `trusting` reader checks
    order, links and every entry's checksum, but hashes only the body of a segment's last block: a start need not do
    the work of an audit.
    """

    def __cinit__(self, str directory, uint32_t partition, uint64_t segment_bytes, uint64_t position=0,
                  uint64_t block_number=0, bytes previous_hash=b"", uint64_t next_sequence=1, bint trusting=False):
        self.directory = directory
        self.segment_bytes = segment_bytes
        self.partition = partition
        self.trusting = trusting
        self.position = position
        self.block_number = block_number
        self.next_sequence = next_sequence
        self.fault = None
        self.map = NULL
        self.mapped_segment = NO_SEGMENT
        memset(self.previous_hash, 0, 32)
        if previous_hash:
            memcpy(self.previous_hash, <const uint8_t*>previous_hash, 32)
        if digest_open(&self.digest) != 0:
            raise MemoryError("journal: no memory for a digest")

    def __dealloc__(self):
        self._unmap()
        digest_close(&self.digest)

    def _unmap(self):
        if self.map != NULL:
            munmap(self.map, self.segment_bytes)
        self.map = NULL
        self.mapped_segment = NO_SEGMENT

    @property
    def chain_hash(self):
        """Hash of the last block that was read."""
        return self.previous_hash[:32]

    cdef int _map(self, uint64_t number) except -2:
        """Map a segment: 0, or -1 when it does not exist."""
        cdef void* at
        if self.mapped_segment == number:
            return 0
        path = segment_path(self.directory, number)
        try:
            size = os.stat(path).st_size
        except FileNotFoundError:
            return -1
        if size != self.segment_bytes:
            raise ValueError(f"{path}: expected {self.segment_bytes} bytes, got {size}; restore the file from a copy")
        self._unmap()
        fd = os.open(path, os.O_RDONLY)
        try:
            at = mmap(NULL, self.segment_bytes, PROT_READ, MAP_SHARED, fd, 0)
        finally:
            os.close(fd)
        if at == MAP_FAILED:
            raise OSError(f"{path}: cannot be mapped")
        self.map = <uint8_t*>at
        self.mapped_segment = number
        return 0

    cdef bint _another_follows(self, uint64_t block_bytes, uint64_t room_bytes, const uint8_t* block) noexcept:
        """Whether a header stands behind this block in its segment."""
        return (room_bytes - block_bytes >= sizeof(block_header_t)
                and (<const block_header_t*>(block + block_bytes)).magic == BLOCK_MAGIC)

    cdef const uint8_t* next_block(self) except? NULL:
        """The next block, checked, entries too; NULL at the end (`fault` says if it is not a clean one).

        The bytes stay valid until the next call.
        """
        cdef uint64_t number = self.position // self.segment_bytes, offset = self.position % self.segment_bytes
        cdef uint64_t room_bytes = self.segment_bytes - offset
        cdef const uint8_t* block
        cdef const block_header_t* header
        cdef const char* fault
        cdef uint64_t at, sequence
        cdef uint32_t _i
        if self.fault is not None or self._map(number) != 0:
            return NULL
        block = self.map + offset
        if room_bytes < sizeof(block_header_t) or (<const block_header_t*>block).magic == 0:
            # Nothing here: the rest of this segment is unused, or this is the end.
            if self._map(number + 1) != 0:
                return NULL
            block = self.map
            if (<const block_header_t*>block).magic == 0:
                self._map(number)
                return NULL
            number += 1
            offset = 0
            room_bytes = self.segment_bytes
        fault = block_fault(NULL if self.trusting else &self.digest, block, room_bytes, self.partition,
                            self.block_number, self.previous_hash)
        header = <const block_header_t*>block
        if fault == NULL:
            if header.first_sequence != self.next_sequence:
                fault = "first sequence out of order"
            at = sizeof(block_header_t)
            sequence = self.next_sequence
            for _i in range(header.entry_count if fault == NULL else 0):
                fault = entry_fault(block + at, sizeof(block_header_t) + header.body_bytes - at, sequence)
                if fault != NULL:
                    break
                at += (<const entry_header_t*>(block + at)).entry_bytes
                sequence += 1
            if fault == NULL and at != sizeof(block_header_t) + header.body_bytes:
                fault = "block has bytes behind its last entry"
            if fault == NULL and self.trusting and not self._another_follows(at, room_bytes, block):
                # The chain goes on from the last block's hash, so that one must be right.
                fault = block_fault(&self.digest, block, room_bytes, self.partition, self.block_number, NULL)
        if fault != NULL:
            self.fault = (<bytes>fault).decode()
            self.fault_position = number * self.segment_bytes + offset
            if number != self.position // self.segment_bytes and block_fault(
                    NULL, block, room_bytes, self.partition, header.block_number, NULL) == NULL:
                # The next segment begins with a sound block, only not the one that follows: what is missing stood here.
                self.fault = "no block"
                self.fault_position = self.position
            return NULL
        memcpy(self.previous_hash, header.block_hash, 32)
        self.last_time_ms = header.time_ms
        self.last_block_position = number * self.segment_bytes + offset
        self.position = number * self.segment_bytes + offset + sizeof(block_header_t) + header.body_bytes
        self.block_number += 1
        self.next_sequence = sequence
        return block

    def blocks(self):
        """Yield (position, header bytes, body bytes) of each block; for tools, not for speed."""
        cdef const uint8_t* block
        cdef uint32_t body_bytes
        while True:
            block = self.next_block()
            if block == NULL:
                return
            body_bytes = (<const block_header_t*>block).body_bytes
            yield (self.position - body_bytes - HEADER_BYTES, block[:HEADER_BYTES],
                   block[HEADER_BYTES:HEADER_BYTES + body_bytes])

    def holds_block(self, bytes block_hash):
        """Whether a whole block with the expected number and this hash starts at `position`, whatever is before it."""
        cdef uint64_t number = self.position // self.segment_bytes, offset = self.position % self.segment_bytes
        cdef const block_header_t* header
        if self._map(number) != 0:
            return False
        header = <const block_header_t*>(self.map + offset)
        return (block_fault(&self.digest, self.map + offset, self.segment_bytes - offset, self.partition,
                            self.block_number, NULL) == NULL and header.block_hash[:32] == block_hash)

    def fault_is_whole(self):
        """Whether the block at the fault is as somebody wrote it to its end: no write was cut short there.

        Its hash fits its content, or its header, whose checksum is right, is of another version: what is wrong with it
        is that this reader does not understand it, or that it does not belong here.
        """
        cdef uint64_t number, offset
        cdef const block_header_t* header
        cdef const char* fault
        if self.fault is None:
            return False
        number, offset = self.fault_position // self.segment_bytes, self.fault_position % self.segment_bytes
        if offset + sizeof(block_header_t) > self.segment_bytes or self._map(number) != 0:
            return False
        header = <const block_header_t*>(self.map + offset)
        fault = block_fault(&self.digest, self.map + offset, self.segment_bytes - offset, header.partition,
                            header.block_number, NULL)
        return fault == NULL or fault == other_version

    def block_follows(self):
        """After reading ended: position of a whole later block behind that place, or None.

        Only one block is ever being written, so an end with a later block behind it is damage in the middle;
        an end with nothing behind it is the end, or a write that was cut short.
        """
        cdef uint64_t start = self.position if self.fault is None else self.fault_position
        cdef uint64_t number = start // self.segment_bytes, offset = start % self.segment_bytes
        cdef const block_header_t* header
        if self._map(number) == 0 and offset + sizeof(block_header_t) <= self.segment_bytes:
            header = <const block_header_t*>(self.map + offset)
            if (block_fault(NULL, self.map + offset, self.segment_bytes - offset, self.partition, self.block_number,
                            self.previous_hash) == NULL):
                # This header is ours, so what lies inside its block is what terminals sent: look behind it.
                offset += sizeof(block_header_t) + header.body_bytes
        while self._map(number) == 0:
            while offset + sizeof(block_header_t) <= self.segment_bytes:
                header = <const block_header_t*>(self.map + offset)
                if header.magic == BLOCK_MAGIC and header.block_number >= self.block_number and block_fault(
                        &self.digest, self.map + offset, self.segment_bytes - offset, self.partition,
                        header.block_number, NULL) == NULL:
                    return number * self.segment_bytes + offset
                if number != start // self.segment_bytes:
                    break                        # a later segment has its first block at its start, or none
                offset += ENTRY_ALIGN_BYTES
            number += 1
            offset = 0
        return None
