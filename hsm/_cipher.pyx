"""libcrypto over buffers: keys are read and written in place and never become Python `bytes`.

Everything takes any contiguous buffer, a `KeySlot` above all.  Algorithms: AES-CMAC (SP 800-38B, RFC 4493), AES key
wrap (RFC 3394), AES-256-GCM (SP 800-38D), Ed25519 (RFC 8032).  Lengths are checked before any key is touched; a wrong
one raises WrongKeyLengthError.  For administration, not for the hot path: each call makes a context and frees it, which
clears the key schedule.
"""

from libc.stdint cimport uint8_t
from libc.string cimport memmove

from hsm.errors import CipherError, WrongKeyLengthError

cdef extern from "<openssl/crypto.h>" nogil:
    void OPENSSL_cleanse(void* at, size_t size)
    int CRYPTO_memcmp(const void* a, const void* b, size_t size)

cdef extern from "<openssl/rand.h>" nogil:
    int RAND_bytes(uint8_t* out, int count)
    int RAND_priv_bytes(uint8_t* out, int count)

cdef extern from "<openssl/err.h>" nogil:
    void ERR_clear_error()

cdef extern from "<openssl/params.h>" nogil:
    ctypedef struct OSSL_PARAM:
        pass
    OSSL_PARAM OSSL_PARAM_construct_utf8_string(const char* key, char* text, size_t size)
    OSSL_PARAM OSSL_PARAM_construct_end()

cdef extern from "<openssl/evp.h>" nogil:
    ctypedef struct EVP_MAC:
        pass
    ctypedef struct EVP_MAC_CTX:
        pass
    ctypedef struct EVP_CIPHER:
        pass
    ctypedef struct EVP_CIPHER_CTX:
        pass
    ctypedef struct EVP_PKEY:
        pass
    ctypedef struct EVP_MD_CTX:
        pass
    EVP_MAC* EVP_MAC_fetch(void* library, const char* name, const char* properties)
    EVP_MAC_CTX* EVP_MAC_CTX_new(EVP_MAC* mac)
    void EVP_MAC_CTX_free(EVP_MAC_CTX* context)
    int EVP_MAC_init(EVP_MAC_CTX* context, const uint8_t* key, size_t key_bytes, const OSSL_PARAM* params)
    int EVP_MAC_update(EVP_MAC_CTX* context, const uint8_t* data, size_t size)
    int EVP_MAC_final(EVP_MAC_CTX* context, uint8_t* out, size_t* out_bytes, size_t room_bytes)
    const EVP_CIPHER* EVP_aes_128_wrap()
    const EVP_CIPHER* EVP_aes_192_wrap()
    const EVP_CIPHER* EVP_aes_256_wrap()
    const EVP_CIPHER* EVP_aes_256_gcm()
    EVP_CIPHER_CTX* EVP_CIPHER_CTX_new()
    void EVP_CIPHER_CTX_free(EVP_CIPHER_CTX* context)
    void EVP_CIPHER_CTX_set_flags(EVP_CIPHER_CTX* context, int flags)
    int EVP_CIPHER_CTX_FLAG_WRAP_ALLOW
    int EVP_CIPHER_CTX_ctrl(EVP_CIPHER_CTX* context, int type, int number, void* at)
    int EVP_CTRL_AEAD_GET_TAG, EVP_CTRL_AEAD_SET_TAG
    int EVP_CipherInit_ex(EVP_CIPHER_CTX* context, const EVP_CIPHER* cipher, void* engine, const uint8_t* key,
                          const uint8_t* nonce, int encrypting)
    int EVP_CipherUpdate(EVP_CIPHER_CTX* context, uint8_t* out, int* out_bytes, const uint8_t* data, int size)
    int EVP_CipherFinal_ex(EVP_CIPHER_CTX* context, uint8_t* out, int* out_bytes)
    int EVP_PKEY_ED25519
    EVP_PKEY* EVP_PKEY_new_raw_private_key(int type, void* engine, const uint8_t* key, size_t size)
    EVP_PKEY* EVP_PKEY_new_raw_public_key(int type, void* engine, const uint8_t* key, size_t size)
    int EVP_PKEY_get_raw_public_key(const EVP_PKEY* pkey, uint8_t* out, size_t* size)
    void EVP_PKEY_free(EVP_PKEY* pkey)
    EVP_MD_CTX* EVP_MD_CTX_new()
    void EVP_MD_CTX_free(EVP_MD_CTX* context)
    int EVP_DigestSignInit(EVP_MD_CTX* context, void* pkey_context, const void* hash, void* engine, EVP_PKEY* pkey)
    int EVP_DigestSign(EVP_MD_CTX* context, uint8_t* out, size_t* out_bytes, const uint8_t* data, size_t size)
    int EVP_DigestVerifyInit(EVP_MD_CTX* context, void* pkey_context, const void* hash, void* engine, EVP_PKEY* pkey)
    int EVP_DigestVerify(EVP_MD_CTX* context, const uint8_t* signature, size_t signature_bytes,
                         const uint8_t* data, size_t size)

cdef enum:
    BLOCK = 16
    WRAP_OVERHEAD = 8
    NONCE = 12
    TAG = 16
    CHECK_VALUE = 5
    SEED = 32
    SIGNATURE = 64

GCM_NONCE_BYTES = NONCE
GCM_TAG_BYTES = TAG

cdef EVP_MAC* mac_method = EVP_MAC_fetch(NULL, "CMAC", NULL)
cdef uint8_t nothing = 0             # a place to point at when a buffer is empty


cdef inline const uint8_t* at(const uint8_t[::1] buffer) noexcept:
    return &buffer[0] if buffer.shape[0] else &nothing


cdef inline uint8_t* place(uint8_t[::1] buffer) noexcept:
    return &buffer[0] if buffer.shape[0] else &nothing


cdef failed(str operation):
    ERR_clear_error()
    return CipherError(f"expected libcrypto to do {operation}, got an error from it: check its version and memory")


cdef need(str what, Py_ssize_t got, tuple expected):
    if got not in expected:
        lengths = " or ".join(map(str, expected))
        raise WrongKeyLengthError(f"expected {what} of {lengths} bytes, got {got}: give it in one of these lengths")


def cmac(const uint8_t[::1] key not None, const uint8_t[::1] message not None):
    """AES-CMAC (16 bytes) with a key of 16, 24 or 32 bytes."""
    cdef OSSL_PARAM params[2]
    cdef uint8_t out[BLOCK]
    cdef size_t out_bytes = 0
    cdef EVP_MAC_CTX* context
    cdef const char* cipher = "AES-256-CBC"
    cdef bint done
    need("a key", key.shape[0], (16, 24, 32))
    if key.shape[0] == 16:
        cipher = "AES-128-CBC"
    elif key.shape[0] == 24:
        cipher = "AES-192-CBC"
    params[0] = OSSL_PARAM_construct_utf8_string("cipher", <char*>cipher, 0)
    params[1] = OSSL_PARAM_construct_end()
    context = EVP_MAC_CTX_new(mac_method) if mac_method != NULL else NULL
    done = (context != NULL and EVP_MAC_init(context, at(key), key.shape[0], params) == 1
            and EVP_MAC_update(context, at(message), message.shape[0]) == 1
            and EVP_MAC_final(context, out, &out_bytes, BLOCK) == 1 and out_bytes == BLOCK)
    EVP_MAC_CTX_free(context)
    if not done:
        raise failed("AES-CMAC")
    return out[:BLOCK]


def check_value(const uint8_t[::1] key not None):
    """AES-CMAC check value: the first 5 bytes of the CMAC of one zero block (X9.24-1)."""
    return cmac(key, bytes(BLOCK))[:CHECK_VALUE]


cdef bint key_wrap(const uint8_t[::1] kek, const uint8_t[::1] data, uint8_t* out, int out_expected, bint wrapping):
    cdef const EVP_CIPHER* cipher = EVP_aes_256_wrap()
    cdef EVP_CIPHER_CTX* context
    cdef int out_bytes = 0
    cdef bint done
    need("a KEK", kek.shape[0], (16, 24, 32))
    if kek.shape[0] == 16:
        cipher = EVP_aes_128_wrap()
    elif kek.shape[0] == 24:
        cipher = EVP_aes_192_wrap()
    context = EVP_CIPHER_CTX_new()
    if context == NULL:
        raise failed("AES key wrap")
    EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW)
    done = (EVP_CipherInit_ex(context, cipher, NULL, at(kek), NULL, wrapping) == 1
            and EVP_CipherUpdate(context, out, &out_bytes, at(data), <int>data.shape[0]) == 1
            and out_bytes == out_expected)
    EVP_CIPHER_CTX_free(context)
    ERR_clear_error()
    return done


def wrap_key(const uint8_t[::1] kek not None, const uint8_t[::1] key not None):
    """RFC 3394 wrap; the key is 16 bytes or more, in eights. 8 bytes longer than the key."""
    cdef Py_ssize_t key_bytes = key.shape[0]
    if key_bytes < 16 or key_bytes % 8 or key_bytes > 4096:
        raise WrongKeyLengthError(
            f"expected a key of 16 bytes or more, in eights, got {key_bytes}: RFC 3394 wraps no other")
    out = bytearray(key_bytes + WRAP_OVERHEAD)
    if not key_wrap(kek, key, out, <int>(key_bytes + WRAP_OVERHEAD), True):
        raise failed("AES key wrap")
    return bytes(out)


def unwrap_key(const uint8_t[::1] kek not None, const uint8_t[::1] blob not None, uint8_t[::1] out not None):
    """RFC 3394 unwrap into `out`, which has just the key's length. False, and zeros there, when it does not open."""
    cdef Py_ssize_t key_bytes = blob.shape[0] - WRAP_OVERHEAD
    if key_bytes < 16 or key_bytes % 8 or key_bytes > 4096:
        OPENSSL_cleanse(place(out), out.shape[0])
        return False
    need("room for the key", out.shape[0], (key_bytes,))
    if key_wrap(kek, blob, place(out), <int>key_bytes, False):
        return True
    OPENSSL_cleanse(place(out), out.shape[0])
    return False


cdef EVP_CIPHER_CTX* gcm(const uint8_t[::1] key, const uint8_t[::1] nonce, const uint8_t[::1] associated,
                         bint sealing) except NULL:
    cdef EVP_CIPHER_CTX* context
    cdef int out_bytes = 0
    need("an AES-256 key", key.shape[0], (32,))
    need("a nonce", nonce.shape[0], (NONCE,))
    context = EVP_CIPHER_CTX_new()
    if (context == NULL or EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, at(key), at(nonce), sealing) != 1
            or (associated.shape[0]
                and EVP_CipherUpdate(context, NULL, &out_bytes, at(associated), <int>associated.shape[0]) != 1)):
        EVP_CIPHER_CTX_free(context)
        raise failed("AES-256-GCM")
    return context


def gcm_seal(const uint8_t[::1] key not None, const uint8_t[::1] nonce not None,
             const uint8_t[::1] associated not None, parts):
    """AES-256-GCM of the parts one after the other: ciphertext and 16-byte tag. A nonce serves once per key."""
    cdef const uint8_t[::1] part
    cdef uint8_t[::1] room
    cdef uint8_t tag[TAG]
    cdef int out_bytes = 0
    cdef EVP_CIPHER_CTX* context = gcm(key, nonce, associated, True)
    sealed = bytearray()
    try:
        for part in parts:
            if part.shape[0]:
                out = bytearray(part.shape[0])
                room = out
                if EVP_CipherUpdate(context, place(room), &out_bytes, at(part), <int>part.shape[0]) != 1:
                    raise failed("AES-256-GCM")
                sealed += out
        if (EVP_CipherFinal_ex(context, tag, &out_bytes) != 1
                or EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG, tag) != 1):
            raise failed("AES-256-GCM")
    finally:
        EVP_CIPHER_CTX_free(context)
    return bytes(sealed) + tag[:TAG]


def gcm_open(const uint8_t[::1] key not None, const uint8_t[::1] nonce not None,
             const uint8_t[::1] associated not None, const uint8_t[::1] sealed not None, parts):
    """Open what `gcm_seal` sealed into parts of the same lengths. False, and zeros in all of them, if altered."""
    cdef uint8_t[::1] part
    cdef uint8_t tag[TAG]
    cdef Py_ssize_t done_bytes = 0, text_bytes = sealed.shape[0] - TAG
    cdef int out_bytes = 0, i
    cdef bint good = True
    cdef EVP_CIPHER_CTX* context
    need("sealed parts and their tag", sealed.shape[0], (sum([memoryview(part).nbytes for part in parts]) + TAG,))
    context = gcm(key, nonce, associated, False)
    try:
        for i in range(TAG):
            tag[i] = sealed[text_bytes + i]
        for part in parts:
            if part.shape[0]:
                good = good and EVP_CipherUpdate(context, place(part), &out_bytes, at(sealed[done_bytes:]),
                                                 <int>part.shape[0]) == 1
                done_bytes += part.shape[0]
        good = (good and EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1
                and EVP_CipherFinal_ex(context, tag, &out_bytes) == 1)
    finally:
        EVP_CIPHER_CTX_free(context)
    if not good:
        ERR_clear_error()
        for part in parts:
            OPENSSL_cleanse(place(part), part.shape[0])
    return good


def copy_into(uint8_t[::1] out not None, const uint8_t[::1] source not None):
    """Copy bytes of the same length."""
    need("a source", source.shape[0], (out.shape[0],))
    memmove(place(out), at(source), out.shape[0])


def xor_into(uint8_t[::1] out not None, const uint8_t[::1] other not None):
    """Combine with a component of the same length, in place."""
    cdef Py_ssize_t i
    need("a component", other.shape[0], (out.shape[0],))
    for i in range(out.shape[0]):
        out[i] ^= other[i]


def random_into(uint8_t[::1] out not None):
    """Fill with random bytes for keys (libcrypto's private generator)."""
    if RAND_priv_bytes(place(out), <int>out.shape[0]) != 1:
        OPENSSL_cleanse(place(out), out.shape[0])
        raise failed("random bytes")


def random_bytes(int count):
    """Random bytes that need not stay secret: salts, nonces."""
    out = bytearray(count)
    if RAND_bytes(out, count) != 1:
        raise failed("random bytes")
    return bytes(out)


def cleanse(uint8_t[::1] out not None):
    """Overwrite with zeros in a way that no optimiser leaves out."""
    OPENSSL_cleanse(place(out), out.shape[0])


def equal(const uint8_t[::1] one not None, const uint8_t[::1] other not None):
    """Whether two are equal, in a time that depends on their length only."""
    return one.shape[0] == other.shape[0] and CRYPTO_memcmp(at(one), at(other), one.shape[0]) == 0


cdef EVP_PKEY* signing_key(const uint8_t[::1] seed) except NULL:
    cdef EVP_PKEY* pkey
    need("an Ed25519 seed", seed.shape[0], (SEED,))
    pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, at(seed), SEED)
    if pkey == NULL:
        raise failed("Ed25519")
    return pkey


def ed25519_public_key(const uint8_t[::1] seed not None):
    """Raw public key (32 bytes) of a seed."""
    cdef uint8_t out[32]
    cdef size_t out_bytes = 32
    cdef EVP_PKEY* pkey = signing_key(seed)
    cdef bint done = EVP_PKEY_get_raw_public_key(pkey, out, &out_bytes) == 1 and out_bytes == 32
    EVP_PKEY_free(pkey)
    if not done:
        raise failed("Ed25519")
    return out[:32]


def ed25519_sign(const uint8_t[::1] seed not None, const uint8_t[::1] message not None):
    """Ed25519 signature (64 bytes)."""
    cdef uint8_t out[SIGNATURE]
    cdef size_t out_bytes = SIGNATURE
    cdef EVP_PKEY* pkey = signing_key(seed)
    cdef EVP_MD_CTX* context = EVP_MD_CTX_new()
    cdef bint done = (context != NULL and EVP_DigestSignInit(context, NULL, NULL, NULL, pkey) == 1
                      and EVP_DigestSign(context, out, &out_bytes, at(message), message.shape[0]) == 1
                      and out_bytes == SIGNATURE)
    EVP_MD_CTX_free(context)
    EVP_PKEY_free(pkey)
    if not done:
        raise failed("Ed25519")
    return out[:SIGNATURE]


def ed25519_verify(const uint8_t[::1] public_key not None, const uint8_t[::1] message not None,
                   const uint8_t[::1] signature not None):
    """Whether a signature is good; a key or signature of a wrong length or form is not."""
    cdef EVP_PKEY* pkey
    cdef EVP_MD_CTX* context
    cdef bint good
    if public_key.shape[0] != 32 or signature.shape[0] != SIGNATURE:
        return False
    pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, at(public_key), 32)
    context = EVP_MD_CTX_new()
    good = (pkey != NULL and context != NULL and EVP_DigestVerifyInit(context, NULL, NULL, NULL, pkey) == 1
            and EVP_DigestVerify(context, at(signature), SIGNATURE, at(message), message.shape[0]) == 1)
    EVP_MD_CTX_free(context)
    EVP_PKEY_free(pkey)
    ERR_clear_error()
    return good
