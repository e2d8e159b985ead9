"""AES-256-GCM as Noise transport messages use it, over OpenSSL's libcrypto."""

from libc.stdint cimport uint8_t, uint64_t

cdef extern from "openssl/params.h" nogil:
    struct ossl_param_st:
        const char* key
        unsigned int data_type
        void* data
        size_t data_size
        size_t return_size
    ctypedef ossl_param_st OSSL_PARAM
    int OSSL_PARAM_OCTET_STRING

cdef extern from "openssl/core_names.h" nogil:
    const char* OSSL_CIPHER_PARAM_AEAD_TAG
    const char* OSSL_CIPHER_PARAM_AEAD_TLS1_GET_IV_GEN
    const char* OSSL_CIPHER_PARAM_AEAD_TLS1_SET_IV_INV

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
    int EVP_CTRL_GCM_SET_IV_FIXED
    int EVP_CIPHER_CTX_set_params(EVP_CIPHER_CTX* ctx, const OSSL_PARAM* params)
    int EVP_CIPHER_CTX_get_params(EVP_CIPHER_CTX* ctx, OSSL_PARAM* params)

cdef extern from "openssl/crypto.h" nogil:
    void OPENSSL_cleanse(void* at, size_t size)

cdef enum:
    TAG_BYTES = 16

cdef struct cipher_t:
    EVP_CIPHER_CTX* ctx              # key and fixed part of the nonce are set once
    uint64_t nonce                   # implicit, rising: number of messages so far
    uint64_t rekey_at                # number of the message before which the key is changed next


cdef int cipher_open(cipher_t* cipher, const uint8_t* key, bint sealing) noexcept nogil
cdef void cipher_close(cipher_t* cipher) noexcept nogil
cdef int rekey(cipher_t* cipher, bint sealing) noexcept nogil
cdef int unseal(cipher_t* cipher, uint8_t* message, int message_bytes) noexcept nogil
cdef int seal(cipher_t* cipher, uint8_t* plaintext, int plaintext_bytes) noexcept nogil
