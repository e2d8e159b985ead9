"""Keys that the decision's proofs are checked with, ready to use."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "<openssl/evp.h>" nogil:
    ctypedef struct EVP_CIPHER_CTX:
        pass
    ctypedef struct EVP_CIPHER:
        pass
    EVP_CIPHER_CTX* EVP_CIPHER_CTX_new()
    void EVP_CIPHER_CTX_free(EVP_CIPHER_CTX* ctx)
    int EVP_CIPHER_CTX_set_padding(EVP_CIPHER_CTX* ctx, int padding)
    const EVP_CIPHER* EVP_aes_128_ecb()
    const EVP_CIPHER* EVP_aes_256_ecb()
    const EVP_CIPHER* EVP_des_ede3_ecb()
    int EVP_EncryptInit_ex(EVP_CIPHER_CTX* ctx, const EVP_CIPHER* cipher, void* engine, const uint8_t* key,
                           const uint8_t* iv)
    int EVP_DecryptInit_ex(EVP_CIPHER_CTX* ctx, const EVP_CIPHER* cipher, void* engine, const uint8_t* key,
                           const uint8_t* iv)
    int EVP_EncryptUpdate(EVP_CIPHER_CTX* ctx, uint8_t* out, int* out_bytes, const uint8_t* data, int data_bytes)
    int EVP_DecryptUpdate(EVP_CIPHER_CTX* ctx, uint8_t* out, int* out_bytes, const uint8_t* data, int data_bytes)

cdef extern from "<openssl/crypto.h>" nogil:
    void OPENSSL_cleanse(void* at, size_t size)
    int CRYPTO_memcmp(const void* one, const void* other, size_t size)

cdef extern from "_cmac.h" nogil:
    ctypedef struct cmac_block_t:
        pass
    ctypedef struct cmac_t:
        uint8_t k1[16]               # and, on its way into `cmac_take_key`, the key
    cmac_t* cmac_new()
    void cmac_free(cmac_t* cmac)
    bint cmac_take_key(cmac_t* cmac)
    bint cmac_rekey(cmac_t* cmac, const uint8_t* key)
    void cmac_of_numbers(const cmac_t* cmac, const uint64_t* numbers, int block_count, bint is_whole, uint8_t* out)
    void cmac_of_bytes(const cmac_t* cmac, const uint8_t* message, size_t size, uint8_t* out)
    cmac_block_t cmac_block(uint64_t first, uint64_t second)
    uint64_t cmac_number(cmac_block_t block, int index)
    void cmac_derivation(uint64_t unique, int unique_bytes, uint8_t derivation, uint8_t version, cmac_block_t* blocks)
    void cmac_derive(const cmac_t* master, uint64_t unique, int unique_bytes, uint8_t derivation, uint8_t version,
                     uint8_t* key)

cdef extern from "_cryptogram.h" nogil:
    enum:
        CMAC_LANES
    ctypedef struct cmac_lanes_t:
        cmac_t* card[CMAC_LANES]
        cmac_t* session[CMAC_LANES]
    ctypedef struct cryptogram_t:
        const cmac_t* master
        cmac_block_t derivation[2]
        cmac_block_t session
        cmac_block_t asked[3]
        cmac_block_t answer[2]
        cmac_block_t cryptogram
        cmac_block_t mac
        uint16_t command
    cmac_lanes_t* cmac_lanes_new()
    void cmac_lanes_free(cmac_lanes_t* lanes)
    bint cmac_cryptograms(cmac_lanes_t* lanes, cryptogram_t* chips, int count)

from switch._tables cimport Tables

cdef enum:
    BLOCK_BYTES = 16
    CARD_KEY_BYTES = 16
    PURPOSES = 9                     # numbers of purposes: 1 to 8
    VERSIONS = 256


cdef struct cvk_t:
    # A pair of CVV keys: DES under the first alone, and two-key TDES under both.
    EVP_CIPHER_CTX* single
    EVP_CIPHER_CTX* double_


cdef class KeyRing:
    cdef cmac_t* masters[PURPOSES][VERSIONS]     # CHIP, CODE, JITTER, TAG, RECEIPT
    cdef cvk_t* pairs[VERSIONS]                  # STRIPE
    cdef EVP_CIPHER_CTX* pin_sealers[VERSIONS]   # PIN: AES-256 under it; place 0 stays empty
    cdef EVP_CIPHER_CTX* pin_openers[VERSIONS]   # and back
    cdef uint32_t pin_count                      # versions of PIN that are loaded
    cdef cmac_lanes_t* lanes                     # working room: the keys of the cards in hand, and of their sessions
    cdef cmac_t* card                            # the first of them
    cdef cmac_t* session
    cdef EVP_CIPHER_CTX* opener                  # AES-128 decryption under a tag's key
    cdef EVP_CIPHER_CTX* storage[VERSIONS]       # AES-256 decryption under STORAGE: opens stored card keys
    cdef readonly object loaded

    cdef void _forget_master(self, int purpose, int version) noexcept
    cdef void _forget_pair(self, int version) noexcept
    cdef void _forget_pin(self, int version) noexcept
    cdef int _load_master(self, int purpose, int version, const uint8_t* key) except -1
    cdef int _load_pair(self, int version, const uint8_t* key) except -1
    cdef int _wipe_lanes(self) except -1
    cdef void seal_pin(self, int version, const uint8_t* hashed, uint8_t* sealed) noexcept nogil
    cdef bint stored(self, Tables tables, uint32_t medium, uint64_t medium_id, uint32_t version,
                     cmac_t* card) noexcept nogil
