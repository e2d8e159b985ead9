"""AES-256-GCM as Noise transport messages use it, over OpenSSL's libcrypto."""

from libc.stdint cimport uint8_t, uint64_t

cdef extern from "openssl/evp.h" nogil:
    ctypedef struct EVP_CIPHER_CTX:
        pass
    ctypedef struct EVP_CIPHER:
        pass
    const EVP_CIPHER* EVP_aes_256_gcm()
    EVP_CIPHER_CTX* EVP_CIPHER_CTX_new()
    void EVP_CIPHER_CTX_free(EVP_CIPHER_CTX* ctx)
    int EVP_EncryptInit_ex(EVP_CIPHER_CTX* ctx, const EVP_CIPHER* c, void* e, const uint8_t* key, const uint8_t* iv)
    int EVP_DecryptInit_ex(EVP_CIPHER_CTX* ctx, const EVP_CIPHER* c, void* e, const uint8_t* key, const uint8_t* iv)
    int EVP_EncryptUpdate(EVP_CIPHER_CTX* ctx, uint8_t* out, int* outl, const uint8_t* inp, int inl)
    int EVP_DecryptUpdate(EVP_CIPHER_CTX* ctx, uint8_t* out, int* outl, const uint8_t* inp, int inl)
    int EVP_EncryptFinal_ex(EVP_CIPHER_CTX* ctx, uint8_t* out, int* outl)
    int EVP_DecryptFinal_ex(EVP_CIPHER_CTX* ctx, uint8_t* out, int* outl)
    int EVP_CIPHER_CTX_ctrl(EVP_CIPHER_CTX* ctx, int type, int arg, void* ptr)
    int EVP_CTRL_GCM_SET_TAG
    int EVP_CTRL_GCM_GET_TAG

cdef enum:
    TAG_BYTES = 16

cdef struct cipher_t:
    EVP_CIPHER_CTX* ctx              # the key is set once; a message sets only the nonce
    uint64_t nonce                   # implicit, rising: number of messages so far


cdef int cipher_open(cipher_t* cipher, const uint8_t* key, bint sealing) noexcept nogil
cdef void cipher_close(cipher_t* cipher) noexcept nogil
cdef int unseal(cipher_t* cipher, uint8_t* message, int message_bytes) noexcept nogil
cdef int seal(cipher_t* cipher, uint8_t* plaintext, int plaintext_bytes) noexcept nogil
