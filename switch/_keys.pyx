"""Keys that the decision's proofs are checked with, ready to use.

AES-CMAC (RFC 4493) by hand over OpenSSL's AES-128 (`_cmac.h`): a context with
its key set costs 12 ns a block and a new key 15 ns, where EVP_MAC with a new key
costs 340 ns a message.  Master keys stay set; a card's and a session's key pass
through contexts of their own, some pairs of them for proofs that are examined
side by side (`_cryptogram.h`), and are overwritten by the next card's, or when a
master key is forgotten.

A context holds the key's bytes, and OpenSSL takes its memory from malloc, so
every context is made by a thread whose arena is guarded (`_guarded.h`).
Invariant: no key that is loaded here stands in memory that is swapped or
dumped.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from switch._layout cimport (
    PURPOSE_CHIP, PURPOSE_CODE, PURPOSE_JITTER, PURPOSE_PIN, PURPOSE_RECEIPT, PURPOSE_STORAGE, PURPOSE_STRIPE,
    PURPOSE_TAG, card_key_record_t)
from switch._tables cimport Tables

cdef extern from "_guarded.h" nogil:
    enum:
        GUARD_UNREADABLE
        GUARD_NOT_LOCKED
        GUARD_NOT_KEPT_OUT
        GUARD_NO_ARENA
        GUARD_NO_THREAD
    int guard_make(void* (*work)(void*) noexcept nogil, void* argument, void** made)
    void guard_start()

LONG_KEY_BYTES = 32
"""STORAGE and PIN; all others are MASTER_KEY_BYTES long."""
MASTER_KEY_BYTES = 16
AES_PURPOSES = (PURPOSE_CHIP, PURPOSE_CODE, PURPOSE_JITTER, PURPOSE_TAG, PURPOSE_RECEIPT)


class KeyMemoryError(MemoryError):
    """Memory for keys cannot be had or cannot be locked."""


# ------------------------------------------------------------------------ contexts in guarded memory

cdef EVP_CIPHER_CTX* new_context(const EVP_CIPHER* cipher, const uint8_t* key, bint opens) noexcept nogil:
    cdef EVP_CIPHER_CTX* ctx = EVP_CIPHER_CTX_new()
    cdef bint done
    if ctx == NULL:
        return NULL
    # Without padding a cipher gives each block at once; sealing does so anyway, and a context that was told so is told
    # again by every EVP_…Init_ex, which doubles the price of a new key.
    if opens:
        done = EVP_DecryptInit_ex(ctx, cipher, NULL, key, NULL) == 1 and EVP_CIPHER_CTX_set_padding(ctx, 0) == 1
    else:
        done = EVP_EncryptInit_ex(ctx, cipher, NULL, key, NULL) == 1
    if not done:
        EVP_CIPHER_CTX_free(ctx)
        return NULL
    return ctx


ctypedef struct context_job_t:
    const EVP_CIPHER* cipher
    const uint8_t* key
    bint opens

GUARD_ERRORS = {
    GUARD_UNREADABLE: "that /proc/self/maps can be read, got a refusal of the system; mount /proc",
    GUARD_NOT_LOCKED: "that it can be locked, got a refusal of the system; raise RLIMIT_MEMLOCK (ulimit -l, "
                      "LimitMEMLOCK=) to 8 MiB or more",
    GUARD_NOT_KEPT_OUT: "that it can be kept out of core dumps, got a refusal; use Linux 4.14 or newer",
    GUARD_NO_ARENA: "an arena of its own from glibc, got another; leave MALLOC_ARENA_MAX and other allocators away",
    GUARD_NO_THREAD: "a thread of its own, got a refusal of the system; raise the limit on threads",
}

guard_start()


cdef void warm_up() noexcept nogil:
    """A first context makes OpenSSL load what it keeps for ever, outside of guarded memory."""
    cdef uint8_t zeros[32]
    memset(zeros, 0, 32)
    cmac_free(cmac_new())
    EVP_CIPHER_CTX_free(new_context(EVP_aes_128_ecb(), zeros, True))
    EVP_CIPHER_CTX_free(new_context(EVP_aes_256_ecb(), zeros, True))
    EVP_CIPHER_CTX_free(new_context(EVP_des_ede3_ecb(), zeros, False))


cdef void* make_context(void* argument) noexcept nogil:
    """In the thread whose arena is guarded."""
    cdef const context_job_t* job = <const context_job_t*>argument
    return new_context(job.cipher, job.key, job.opens)


cdef void* make_cmac(void* argument) noexcept nogil:
    """In the thread whose arena is guarded."""
    cdef cmac_t* made = cmac_new()
    if made != NULL and not cmac_rekey(made, <const uint8_t*>argument):
        cmac_free(made)
        return NULL
    return made


cdef void* make_lanes(void* argument) noexcept nogil:
    """In the thread whose arena is guarded."""
    return cmac_lanes_new()


cdef int check_made(int result, bint is_made) except -1:
    """Raise KeyMemoryError unless something was made, and guarded."""
    if result != 0:
        raise KeyMemoryError(f"memory for keys: expected {GUARD_ERRORS[result]}")
    if not is_made:
        raise KeyMemoryError("keys: expected a context of OpenSSL, got none; is its default provider there?")
    return 0


cdef EVP_CIPHER_CTX* guarded_context(const EVP_CIPHER* cipher, const uint8_t* key, bint opens=False) except NULL:
    """A context with a key, in memory that is locked and not dumped."""
    cdef context_job_t job
    cdef void* made = NULL
    cdef bint is_made
    cdef int result
    job.cipher, job.key, job.opens = cipher, key, opens
    with nogil:
        warm_up()
        result = guard_make(make_context, &job, &made)
    is_made = made != NULL
    if result != 0:
        EVP_CIPHER_CTX_free(<EVP_CIPHER_CTX*>made)
    check_made(result, is_made)
    return <EVP_CIPHER_CTX*>made


cdef cmac_t* guarded_cmac(const uint8_t* key) except NULL:
    """AES-CMAC under a key of CARD_KEY_BYTES, its subkey included, in memory that is locked and not dumped."""
    cdef void* made = NULL
    cdef bint is_made
    cdef int result
    with nogil:
        warm_up()
        result = guard_make(make_cmac, <void*>key, &made)
    is_made = made != NULL
    if result != 0:
        cmac_free(<cmac_t*>made)
    check_made(result, is_made)
    return <cmac_t*>made


cdef cmac_lanes_t* guarded_lanes() except NULL:
    """Contexts of all lanes, in memory that is locked and not dumped."""
    cdef void* made = NULL
    cdef bint is_made
    cdef int result
    with nogil:
        warm_up()
        result = guard_make(make_lanes, NULL, &made)
    is_made = made != NULL
    if result != 0:
        cmac_lanes_free(<cmac_lanes_t*>made)
    check_made(result, is_made)
    return <cmac_lanes_t*>made


cdef class KeyRing:
    """Master keys by purpose and version.

    `load` takes a key from a buffer of MASTER_KEY_BYTES, or LONG_KEY_BYTES for STORAGE and PIN.
    Not thread-safe: used under the mutex of the batch, loaded by the event loop.
    """

    def __cinit__(self):
        cdef uint8_t zeros[BLOCK_BYTES]
        memset(zeros, 0, BLOCK_BYTES)
        self.loaded = set()
        self.lanes = guarded_lanes()
        self.card, self.session = self.lanes.card[0], self.lanes.session[0]
        self.opener = guarded_context(EVP_aes_128_ecb(), zeros, True)
        self._wipe_lanes()

    def __dealloc__(self):
        cdef int purpose, version
        for purpose in range(PURPOSES):
            for version in range(VERSIONS):
                if self.masters[purpose][version] != NULL:
                    self._forget_master(purpose, version)
        for version in range(VERSIONS):
            if self.pairs[version] != NULL:
                self._forget_pair(version)
            EVP_CIPHER_CTX_free(self.storage[version])
            self._forget_pin(version)
        EVP_CIPHER_CTX_free(self.opener)
        cmac_lanes_free(self.lanes)

    cdef void _forget_master(self, int purpose, int version) noexcept:
        cmac_free(self.masters[purpose][version])                    # also wipes the key schedule
        self.masters[purpose][version] = NULL

    cdef int _wipe_lanes(self) except -1:
        """Nothing is left of the cards that were in hand."""
        cdef uint8_t zeros[CARD_KEY_BYTES]
        cdef int lane
        cdef bint is_done
        memset(zeros, 0, CARD_KEY_BYTES)
        is_done = EVP_DecryptInit_ex(self.opener, NULL, NULL, zeros, NULL) == 1
        for lane in range(CMAC_LANES):
            is_done &= cmac_rekey(self.lanes.card[lane], zeros) and cmac_rekey(self.lanes.session[lane], zeros)
        if not is_done:
            raise KeyMemoryError("keys: expected OpenSSL to set a key, got a failure")
        return 0

    cdef void _forget_pair(self, int version) noexcept:
        EVP_CIPHER_CTX_free(self.pairs[version].single)
        EVP_CIPHER_CTX_free(self.pairs[version].double_)
        free(self.pairs[version])
        self.pairs[version] = NULL

    cdef void _forget_pin(self, int version) noexcept:
        self.pin_count -= self.pin_sealers[version] != NULL
        EVP_CIPHER_CTX_free(self.pin_sealers[version])
        EVP_CIPHER_CTX_free(self.pin_openers[version])
        self.pin_sealers[version] = self.pin_openers[version] = NULL

    def load(self, int purpose, int version, const uint8_t[::1] key not None):
        """Take a key into use; loading it again replaces it. ValueError for a purpose or length that cannot be."""
        expected = LONG_KEY_BYTES if purpose in (PURPOSE_PIN, PURPOSE_STORAGE) else MASTER_KEY_BYTES
        if not 1 <= version < VERSIONS or key.shape[0] != expected:
            raise ValueError(f"key: expected a version of 1 to {VERSIONS - 1} and {expected} bytes, got version "
                             f"{version} and {key.shape[0]} bytes; look at what the key store holds")
        if purpose == PURPOSE_PIN:
            self._forget_pin(version)
            self.pin_sealers[version] = guarded_context(EVP_aes_256_ecb(), &key[0])
            self.pin_openers[version] = guarded_context(EVP_aes_256_ecb(), &key[0], True)
            self.pin_count += 1
        elif purpose == PURPOSE_STORAGE:
            EVP_CIPHER_CTX_free(self.storage[version])
            self.storage[version] = NULL
            self.storage[version] = guarded_context(EVP_aes_256_ecb(), &key[0], True)
        elif purpose == PURPOSE_STRIPE:
            self._load_pair(version, &key[0])
        elif purpose in AES_PURPOSES:
            self._load_master(purpose, version, &key[0])
        else:
            raise ValueError(f"key: expected a purpose that the decision uses, got {purpose}; see KeyPurpose")
        self.loaded.add((purpose, version))

    def forget(self, int purpose, int version):
        """Wipe a key, and what was derived of it. It need not be there."""
        self.loaded.discard((purpose, version))
        self._wipe_lanes()
        if purpose == PURPOSE_PIN:
            self._forget_pin(version)
        elif purpose == PURPOSE_STORAGE:
            EVP_CIPHER_CTX_free(self.storage[version])
            self.storage[version] = NULL
        elif purpose == PURPOSE_STRIPE and self.pairs[version] != NULL:
            self._forget_pair(version)
        elif purpose in AES_PURPOSES and self.masters[purpose][version] != NULL:
            self._forget_master(purpose, version)

    cdef int _load_master(self, int purpose, int version, const uint8_t* key) except -1:
        if self.masters[purpose][version] == NULL:
            self.masters[purpose][version] = guarded_cmac(key)
        elif not cmac_rekey(self.masters[purpose][version], key):
            raise KeyMemoryError("keys: expected OpenSSL to set a key, got a failure")
        return 0

    cdef int _load_pair(self, int version, const uint8_t* key) except -1:
        cdef uint8_t single[24]
        cdef uint8_t pair[24]
        if self.pairs[version] != NULL:
            self._forget_pair(version)
        memcpy(single, key, 8)                   # EDE under three times the same key is DES
        memcpy(single + 8, key, 8)
        memcpy(single + 16, key, 8)
        memcpy(pair, key, 16)
        memcpy(pair + 16, key, 8)
        self.pairs[version] = <cvk_t*>calloc(1, sizeof(cvk_t))
        if self.pairs[version] == NULL:
            raise KeyMemoryError("keys: no memory")
        try:
            self.pairs[version].single = guarded_context(EVP_des_ede3_ecb(), single)
            self.pairs[version].double_ = guarded_context(EVP_des_ede3_ecb(), pair)
        except KeyMemoryError:
            self._forget_pair(version)
            raise
        finally:
            OPENSSL_cleanse(single, 24)
            OPENSSL_cleanse(pair, 24)
        return 0

    cdef bint stored(self, Tables tables, uint32_t medium, uint64_t medium_id, uint32_t version,
                     cmac_t* card) noexcept nogil:
        """Give `card` the key of a medium that has one of its own, kept wrapped (RFC 3394, 128-bit key); False: none
        opens."""
        cdef const card_key_record_t* record
        cdef uint8_t block[16]
        cdef uint8_t rest[16]
        cdef uint64_t intact = 0
        cdef int step, i, out_bytes = 0
        cdef bint is_set = False
        record = <const card_key_record_t*>tables.card_keys.find(medium, medium_id, version)
        if record == NULL or self.storage[record.storage_version] == NULL:
            return False
        memcpy(block, record.wrapped_key, 8)
        memcpy(rest, record.wrapped_key + 8, 16)
        for step in range(12, 0, -1):            # section 2.2.2: six rounds over two halves, backwards
            i = (step - 1) % 2 * 8
            block[7] ^= <uint8_t>step
            memcpy(block + 8, rest + i, 8)
            EVP_DecryptUpdate(self.storage[record.storage_version], block, &out_bytes, block, 16)
            memcpy(rest + i, block + 8, 8)
        for i in range(8):
            intact |= block[i] ^ 0xA6
        if intact == 0:
            is_set = cmac_rekey(card, rest)
        OPENSSL_cleanse(block, 16)
        OPENSSL_cleanse(rest, 16)
        return is_set

    cdef void seal_pin(self, int version, const uint8_t* hashed, uint8_t* sealed) noexcept nogil:
        """The hash of a PIN as it is kept: one block. The version is loaded."""
        cdef int out_bytes = 0
        EVP_EncryptUpdate(self.pin_sealers[version], sealed, &out_bytes, hashed, BLOCK_BYTES)

    def reseal_pin(self, const uint8_t[::1] sealed not None, int old_version, int version):
        """The same hash of a PIN under another version of the key. KeyError when either is not loaded."""
        cdef uint8_t hashed[BLOCK_BYTES]
        cdef uint8_t out[BLOCK_BYTES]
        cdef int out_bytes = 0
        for needed in (old_version, version):
            if not 0 < needed < VERSIONS or self.pin_sealers[needed] == NULL:
                raise KeyError((PURPOSE_PIN, needed))
        if sealed.shape[0] != BLOCK_BYTES:
            raise ValueError(f"sealed PIN: expected {BLOCK_BYTES} bytes, got {sealed.shape[0]}")
        EVP_DecryptUpdate(self.pin_openers[old_version], hashed, &out_bytes, &sealed[0], BLOCK_BYTES)
        self.seal_pin(version, hashed, out)
        OPENSSL_cleanse(hashed, BLOCK_BYTES)
        return out[:BLOCK_BYTES]

    # -- for tests

    def cmac(self, int purpose, int version, const uint8_t[::1] message not None):
        """AES-CMAC of a message under a loaded key, as the proofs use it."""
        cdef uint8_t out[BLOCK_BYTES]
        if self.masters[purpose][version] == NULL:
            raise KeyError((purpose, version))
        cmac_of_bytes(self.masters[purpose][version], &message[0] if message.shape[0] else NULL, message.shape[0], out)
        return out[:BLOCK_BYTES]
