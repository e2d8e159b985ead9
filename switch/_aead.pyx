"""AES-256-GCM as Noise transport messages use it, over OpenSSL's libcrypto.

Noise revision 34, section 12.4: the nonce is 4 zero bytes and the 64-bit
big-endian number of the message; it is implicit, so a frame that was dropped,
repeated or reordered fails its tag.  Both calls work in place.
"""

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memset

cdef uint64_t NONCE_MAX = <uint64_t>0xFFFFFFFFFFFFFFFE   # 2^64-1 is reserved by Noise section 5.1


cdef int cipher_open(cipher_t* cipher, const uint8_t* key, bint sealing) noexcept nogil:
    """Prepare one direction with its 32-byte key. Returns 0, or -1 when OpenSSL has no memory."""
    cipher.nonce = 0
    cipher.ctx = EVP_CIPHER_CTX_new()
    if cipher.ctx == NULL:
        return -1
    if sealing:
        return 0 if EVP_EncryptInit_ex(cipher.ctx, EVP_aes_256_gcm(), NULL, key, NULL) == 1 else -1
    return 0 if EVP_DecryptInit_ex(cipher.ctx, EVP_aes_256_gcm(), NULL, key, NULL) == 1 else -1


cdef void cipher_close(cipher_t* cipher) noexcept nogil:
    EVP_CIPHER_CTX_free(cipher.ctx)  # also wipes the key schedule
    cipher.ctx = NULL


cdef inline void next_nonce(cipher_t* cipher, uint8_t* nonce) noexcept nogil:
    cdef uint64_t count = cipher.nonce
    cdef int i
    memset(nonce, 0, 4)
    for i in range(8):
        nonce[11 - i] = <uint8_t>(count & 0xFF)
        count >>= 8
    cipher.nonce += 1


cdef int unseal(cipher_t* cipher, uint8_t* message, int message_bytes) noexcept nogil:
    """Open a message in place. Returns the plaintext's bytes, or -1: forged, replayed, reordered or too short."""
    cdef uint8_t nonce[12]
    cdef int out_bytes = 0, plaintext_bytes = message_bytes - TAG_BYTES
    if plaintext_bytes < 0 or cipher.nonce >= NONCE_MAX:
        return -1
    next_nonce(cipher, nonce)
    if EVP_DecryptInit_ex(cipher.ctx, NULL, NULL, NULL, nonce) != 1:
        return -1
    if EVP_DecryptUpdate(cipher.ctx, message, &out_bytes, message, plaintext_bytes) != 1:
        return -1
    if EVP_CIPHER_CTX_ctrl(cipher.ctx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, message + plaintext_bytes) != 1:
        return -1
    if EVP_DecryptFinal_ex(cipher.ctx, message + plaintext_bytes, &out_bytes) != 1:
        return -1
    return plaintext_bytes


cdef int seal(cipher_t* cipher, uint8_t* plaintext, int plaintext_bytes) noexcept nogil:
    """Seal in place; the 16 bytes behind the plaintext take the tag. Returns the message's length, or -1."""
    cdef uint8_t nonce[12]
    cdef int out_bytes = 0
    if cipher.nonce >= NONCE_MAX:
        return -1
    next_nonce(cipher, nonce)
    if EVP_EncryptInit_ex(cipher.ctx, NULL, NULL, NULL, nonce) != 1:
        return -1
    if EVP_EncryptUpdate(cipher.ctx, plaintext, &out_bytes, plaintext, plaintext_bytes) != 1:
        return -1
    if EVP_EncryptFinal_ex(cipher.ctx, plaintext + plaintext_bytes, &out_bytes) != 1:
        return -1
    if EVP_CIPHER_CTX_ctrl(cipher.ctx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, plaintext + plaintext_bytes) != 1:
        return -1
    return plaintext_bytes + TAG_BYTES
