"""Locked memory: the one place in a process where keys may lie in clear.

A page is mapped apart from the heap, never swapped (mlock), left out of core dumps (MADV_DONTDUMP) and filled with
zeros in every forked child (MADV_WIPEONFORK).  It gives out slots, which lend their bytes through the buffer
protocol, so that libcrypto and `cryptography` read keys in place and no Python `bytes`, which nobody can wipe,
ever holds one.

What this does not promise: libcrypto keeps a key schedule in its own heap while an operation runs (and clears it
at the end), and a debugger with the right to read this process reads the page too: see `harden_process`.
"""

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from libc.errno cimport errno
from libc.stdint cimport uint8_t
from libc.string cimport memcmp, memcpy, strerror

from hsm.errors import KeyPageClosedError, KeyPageFullError, LockedMemoryShortError, WrongKeyLengthError

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <sys/mman.h>
    #include <sys/prctl.h>
    #include <sys/resource.h>
    #include <unistd.h>
    """
    void* mmap(void* address, size_t size, int protection, int flags, int fd, long offset) nogil
    int munmap(void* address, size_t size) nogil
    # Not mlock: AddressSanitizer replaces that by nothing.
    int mlock2(const void* address, size_t size, unsigned int flags) nogil
    int madvise(void* address, size_t size, int advice) nogil
    int PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MADV_DONTDUMP, MADV_WIPEONFORK
    void* MAP_FAILED
    long sysconf(int name) nogil
    int _SC_PAGESIZE
    int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) nogil
    int PR_SET_DUMPABLE
    ctypedef struct rlimit_t "struct rlimit":
        unsigned long rlim_cur
        unsigned long rlim_max
    int setrlimit(int resource, const rlimit_t* limit) nogil
    int RLIMIT_CORE

cdef extern from "<openssl/crypto.h>" nogil:
    void OPENSSL_cleanse(void* at, size_t size)

SLOT_BYTES = 32                      # the longest key here: AES-256, an Ed25519 seed
PAGE_SLOT_COUNT = 127                # with the mark in slot 0, one memory page of 4 KiB
PAGE_SLOT_COUNT_MAX = 16_383         # 512 KiB of the 8 MiB that Debian lets a process lock

cdef enum:
    SLOT = 32

# In the first slot of a live page. A forked child finds zeros here and so knows that its keys are zeros too.
cdef const char* MARK = "hsm key page, not wiped by a fork"


# No garbage collector for both: it could take a slot's page away before the slot wiped itself, and cycles cannot arise.
@cython.no_gc
cdef class KeyPage:
    """Slots of 32 bytes in locked memory. Not for several processes; threads may share it under the GIL.

    Raises LockedMemoryShortError when the system refuses to lock or mark the memory.
    """

    def __cinit__(self, int slot_count=127):
        cdef long page_bytes = sysconf(_SC_PAGESIZE)
        cdef void* base
        if not 1 <= slot_count <= PAGE_SLOT_COUNT_MAX:
            raise ValueError(f"expected 1 to {PAGE_SLOT_COUNT_MAX} slots, got {slot_count}: open several pages")
        self.closed = True
        self.slot_count = slot_count
        self.taken = bytearray(slot_count)
        self.size_bytes = ((slot_count + 1) * SLOT + page_bytes - 1) // page_bytes * page_bytes
        base = mmap(NULL, self.size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        if base == MAP_FAILED:
            raise LockedMemoryShortError(f"expected {self.size_bytes} bytes for keys, got: {why()}: free some memory")
        self.base = <uint8_t*>base
        if mlock2(base, self.size_bytes, 0) != 0:
            reason = why()
            self.unmap()
            raise LockedMemoryShortError(
                f"expected to lock {self.size_bytes} bytes of memory for keys, got: {reason}: raise RLIMIT_MEMLOCK "
                f"(ulimit -l, LimitMEMLOCK= of a systemd unit, memlock in /etc/security/limits.conf)")
        if (madvise(base, self.size_bytes, MADV_DONTDUMP) != 0
                or madvise(base, self.size_bytes, MADV_WIPEONFORK) != 0):
            reason = why()
            self.unmap()
            raise LockedMemoryShortError(
                f"expected MADV_DONTDUMP and MADV_WIPEONFORK to work, got: {reason}: needs Linux 4.14 or later")
        memcpy(self.base, MARK, SLOT)
        self.closed = False

    def __dealloc__(self):
        # Slots, and so their buffers, hold a reference to the page: nobody can still look here.
        self.unmap()

    def __repr__(self):
        return f"<KeyPage, {self.taken_count} of {self.slot_count} slots taken{', closed' if self.closed else ''}>"

    def __reduce__(self):
        raise TypeError("expected to stay in this process, got pickled or copied: open a KeyPage in each process")

    def __enter__(self):
        return self

    def __exit__(self, kind, error, at):
        self.close()

    @property
    def taken_count(self):
        """How many slots are in use."""
        return sum(self.taken)

    @property
    def address_range(self):
        """First address and the one after the last, (0, 0) once unmapped; for audits of /proc/PID/smaps."""
        if self.base == NULL:
            return (0, 0)
        return (<size_t>self.base, <size_t>self.base + self.size_bytes)

    cdef bint alive(self) noexcept:
        return not self.closed and memcmp(self.base, MARK, SLOT) == 0

    cdef void unmap(self) noexcept:
        if self.base != NULL:
            OPENSSL_cleanse(self.base, self.size_bytes)
            munmap(self.base, self.size_bytes)
            self.base = NULL

    cdef void wipe_slot(self, int number) noexcept:
        if self.base != NULL:
            OPENSSL_cleanse(self.base + (number + 1) * SLOT, SLOT)

    cdef void give_back(self, int number) noexcept:
        self.taken[number] = 0

    def take(self, Py_ssize_t key_bytes):
        """A slot for a key of 1 to 32 bytes, filled with zeros.

        Raises KeyPageFullError, KeyPageClosedError, WrongKeyLengthError.
        """
        cdef KeySlot slot
        cdef Py_ssize_t number
        if not 1 <= key_bytes <= SLOT:
            raise WrongKeyLengthError(f"expected a key of 1 to {SLOT} bytes, got {key_bytes}: longer ones have no slot")
        if not self.alive():
            raise KeyPageClosedError("expected an open key page, got one closed or left by a fork: open a new one")
        number = self.taken.find(b"\0")
        if number < 0:
            raise KeyPageFullError(
                f"expected a free slot, got all {self.slot_count} taken: wipe slots after use or open a larger page")
        slot = KeySlot.__new__(KeySlot)
        slot.page, slot.number, slot.key_bytes = self, <int>number, key_bytes
        self.wipe_slot(slot.number)
        self.taken[number] = 1
        return slot

    def close(self):
        """Wipe all slots. Buffers that somebody still holds stay readable, as zeros. Closing twice is harmless."""
        self.closed = True
        if self.base != NULL:
            OPENSSL_cleanse(self.base, self.size_bytes)
            if self.export_count == 0:
                self.unmap()


@cython.no_gc
cdef class KeySlot:
    """Room for one key; `memoryview(slot)` reads and writes it in place. Made by `KeyPage.take`.

    Wiped by `wipe`, at the end of a `with` block, or when nothing refers to it any more.
    """

    def __init__(self):
        raise TypeError("expected KeyPage.take(key_bytes), got KeySlot(): slots lie in pages")

    def __dealloc__(self):
        if self.page is not None and not self.wiped:
            self.page.wipe_slot(self.number)
            self.page.give_back(self.number)

    def __repr__(self):
        return f"<KeySlot of {self.key_bytes} bytes{', wiped' if self.wiped else ''}>"

    def __reduce__(self):
        raise TypeError("expected to stay in locked memory, got pickled or copied: wrap a key to hand it on")

    def __len__(self):
        return self.key_bytes

    def __enter__(self):
        return self

    def __exit__(self, kind, error, at):
        self.wipe()

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.at(), self.key_bytes, False, flags)
        self.export_count += 1
        self.page.export_count += 1

    def __releasebuffer__(self, Py_buffer* buffer):
        self.export_count -= 1
        self.page.export_count -= 1
        if self.wiped and self.export_count == 0:
            # Whoever wrote through a buffer after the wipe wrote into a slot that nobody else had yet.
            self.page.wipe_slot(self.number)
            self.page.give_back(self.number)
        if self.page.closed and self.page.export_count == 0:
            self.page.unmap()

    cdef uint8_t* at(self) except NULL:
        if self.wiped or not self.page.alive():
            raise KeyPageClosedError(
                "expected a slot with a key, got one wiped, of a closed page or left behind by a fork: unwrap it again")
        return self.page.base + (self.number + 1) * SLOT

    def wipe(self):
        """Overwrite the key and give the slot back. Wiping twice is harmless."""
        if self.wiped:
            return
        self.wiped = True
        self.page.wipe_slot(self.number)
        if self.export_count == 0:
            self.page.give_back(self.number)


cdef str why():
    return strerror(errno).decode("utf-8", "replace")


def harden_process():
    """Make this process undumpable: no core file, and no ptrace or /proc/PID/mem for others of the same user.

    For processes that hold keys; the caller chooses, since it also takes debuggers and profilers away.
    """
    cdef rlimit_t none
    none.rlim_cur = none.rlim_max = 0
    if prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 or setrlimit(RLIMIT_CORE, &none) != 0:
        raise OSError(errno, f"expected to become undumpable, got: {why()}: see prctl(2) and setrlimit(2)")
