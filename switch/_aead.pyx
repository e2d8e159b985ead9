"""AES-256-GCM as Noise transport messages use it, over OpenSSL's libcrypto.

Noise revision 34, section 12.4: the nonce is 4 zero bytes and the 64-bit
big-endian number of the message; it is implicit, so a frame that was dropped,
repeated or reordered fails its tag.  Both calls work in place.

The nonce has the shape that TLS 1.2 gives it (a fixed part and a counter), so
OpenSSL can keep it: setting only the counter, together with the tag, costs
60 ns less per message than EVP_…Init_ex with a whole nonce, which also
recomputes what the key has settled.

Before the message whose number is a multiple of REKEY_FRAMES a direction's key
is changed as Noise sections 4.2 and 11.3 say.  The old key makes the new one
inside OpenSSL's context, so the key itself is kept nowhere else.
"""

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy, memset

from switch._layout cimport REKEY_FRAMES

cdef extern from "endian.h" nogil:
    uint64_t htobe64(uint64_t value)

cdef uint64_t NONCE_MAX = <uint64_t>0xFFFFFFFFFFFFFFFE   # 2^64-1 is reserved by Noise section 5.1


cdef int cipher_open(cipher_t* cipher, const uint8_t* key, bint sealing) noexcept nogil:
    """Prepare one direction with its 32-byte key. Returns 0, or -1 when OpenSSL has no memory."""
    cdef uint8_t zeros[12]
    memset(zeros, 0, 12)
    cipher.nonce = 0
    cipher.rekey_at = REKEY_FRAMES
    cipher.ctx = EVP_CIPHER_CTX_new()
    if cipher.ctx == NULL:
        return -1
    if sealing:
        if EVP_EncryptInit_ex(cipher.ctx, EVP_aes_256_gcm(), NULL, key, NULL) != 1:
            return -1
    elif EVP_DecryptInit_ex(cipher.ctx, EVP_aes_256_gcm(), NULL, key, NULL) != 1:
        return -1
    return 0 if EVP_CIPHER_CTX_ctrl(cipher.ctx, EVP_CTRL_GCM_SET_IV_FIXED, -1, zeros) == 1 else -1


cdef void cipher_close(cipher_t* cipher) noexcept nogil:
    EVP_CIPHER_CTX_free(cipher.ctx)  # also wipes the key schedule
    cipher.ctx = NULL


cdef int rekey(cipher_t* cipher, bint sealing) noexcept nogil:
    """The key becomes the first 32 bytes of ENCRYPT(k, 2^64 - 1, empty, 32 zeros); the count goes on. 0, or -1.

    Sealed zeros and opened zeros are the same bytes, the key stream: so a
    context that opens can make the new key as well, and the tag is not needed.
    """
    cdef uint8_t nonce[12]
    cdef uint8_t key[32]
    cdef int out_bytes = 0, made = 0
    cdef uint64_t counter = htobe64(cipher.nonce)
    memset(nonce, 0, 4)
    memset(nonce + 4, 0xFF, 8)
    memset(key, 0, 32)
    if sealing:
        if EVP_EncryptInit_ex(cipher.ctx, NULL, NULL, NULL, nonce) == 1:
            made = EVP_EncryptUpdate(cipher.ctx, key, &out_bytes, key, 32)
    elif EVP_DecryptInit_ex(cipher.ctx, NULL, NULL, NULL, nonce) == 1:
        made = EVP_DecryptUpdate(cipher.ctx, key, &out_bytes, key, 32)
    if made == 1:
        made = (EVP_EncryptInit_ex(cipher.ctx, NULL, NULL, key, NULL) if sealing
                else EVP_DecryptInit_ex(cipher.ctx, NULL, NULL, key, NULL))
    OPENSSL_cleanse(key, 32)
    memset(nonce, 0, 4)
    memcpy(nonce + 4, &counter, 8)
    cipher.rekey_at += REKEY_FRAMES
    return 0 if made == 1 and EVP_CIPHER_CTX_ctrl(cipher.ctx, EVP_CTRL_GCM_SET_IV_FIXED, -1, nonce) == 1 else -1


cdef inline void octets(OSSL_PARAM* param, const char* name, void* data, size_t data_bytes) noexcept nogil:
    param.key = name
    param.data_type = OSSL_PARAM_OCTET_STRING
    param.data = data
    param.data_size = data_bytes
    param.return_size = 0


cdef int unseal(cipher_t* cipher, uint8_t* message, int message_bytes) noexcept nogil:
    """Open a message in place. Returns the plaintext's length, or -1: forged, replayed, reordered or too short."""
    cdef OSSL_PARAM params[3]
    cdef uint64_t counter = htobe64(cipher.nonce)
    cdef int out_bytes = 0, plaintext_bytes = message_bytes - TAG_BYTES
    if plaintext_bytes < 0 or cipher.nonce >= NONCE_MAX:
        return -1
    if cipher.nonce == cipher.rekey_at and rekey(cipher, False) != 0:
        return -1
    cipher.nonce += 1
    params[2].key = NULL
    octets(&params[0], OSSL_CIPHER_PARAM_AEAD_TAG, message + plaintext_bytes, TAG_BYTES)
    octets(&params[1], OSSL_CIPHER_PARAM_AEAD_TLS1_SET_IV_INV, &counter, 8)
    if EVP_CIPHER_CTX_set_params(cipher.ctx, params) != 1:
        return -1
    if EVP_DecryptUpdate(cipher.ctx, message, &out_bytes, message, plaintext_bytes) != 1:
        return -1
    if EVP_DecryptFinal_ex(cipher.ctx, message + plaintext_bytes, &out_bytes) != 1:
        return -1
    return plaintext_bytes


cdef int seal(cipher_t* cipher, uint8_t* plaintext, int plaintext_bytes) noexcept nogil:
    """Seal in place; the 16 bytes behind the plaintext take the tag. Returns the message's length, or -1."""
    cdef OSSL_PARAM params[2]
    cdef uint64_t counter            # OpenSSL counts by itself; asking for the number is what moves it on
    cdef int out_bytes = 0
    if cipher.nonce >= NONCE_MAX:
        return -1
    if cipher.nonce == cipher.rekey_at and rekey(cipher, True) != 0:
        return -1
    cipher.nonce += 1
    params[1].key = NULL
    octets(params, OSSL_CIPHER_PARAM_AEAD_TLS1_GET_IV_GEN, &counter, 8)
    if EVP_CIPHER_CTX_get_params(cipher.ctx, params) != 1:
        return -1
    if EVP_EncryptUpdate(cipher.ctx, plaintext, &out_bytes, plaintext, plaintext_bytes) != 1:
        return -1
    if EVP_EncryptFinal_ex(cipher.ctx, plaintext + plaintext_bytes, &out_bytes) != 1:
        return -1
    octets(params, OSSL_CIPHER_PARAM_AEAD_TAG, plaintext + plaintext_bytes, TAG_BYTES)
    if EVP_CIPHER_CTX_get_params(cipher.ctx, params) != 1:
        return -1
    return plaintext_bytes + TAG_BYTES
