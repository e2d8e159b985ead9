# cython: language_level=3
"""The few functions of OpenSSL and Linux that the load generator needs, and its readers and writers of integers."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef extern from "openssl/params.h" nogil:
    struct ossl_param_st:
        const char *key
        unsigned int data_type
        void *data
        size_t data_size
        size_t return_size
    ctypedef ossl_param_st OSSL_PARAM
    enum: OSSL_PARAM_OCTET_STRING

cdef extern from "openssl/evp.h" nogil:
    ctypedef struct EVP_CIPHER_CTX:
        pass
    ctypedef struct EVP_CIPHER:
        pass
    ctypedef struct ENGINE:
        pass
    const EVP_CIPHER *EVP_aes_256_gcm()
    EVP_CIPHER_CTX *EVP_CIPHER_CTX_new()
    void EVP_CIPHER_CTX_free(EVP_CIPHER_CTX *ctx)
    int EVP_CIPHER_CTX_ctrl(EVP_CIPHER_CTX *ctx, int type, int arg, void *ptr)
    int EVP_CipherInit_ex(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, ENGINE *engine,
                          const uint8_t *key, const uint8_t *iv, int encrypt)
    int EVP_CIPHER_CTX_set_params(EVP_CIPHER_CTX *ctx, const OSSL_PARAM *params)
    int EVP_CIPHER_CTX_get_params(EVP_CIPHER_CTX *ctx, OSSL_PARAM *params)
    int EVP_EncryptUpdate(EVP_CIPHER_CTX *ctx, uint8_t *out, int *out_bytes, const uint8_t *data, int data_bytes)
    int EVP_EncryptFinal_ex(EVP_CIPHER_CTX *ctx, uint8_t *out, int *out_bytes)
    int EVP_DecryptUpdate(EVP_CIPHER_CTX *ctx, uint8_t *out, int *out_bytes, const uint8_t *data, int data_bytes)
    int EVP_DecryptFinal_ex(EVP_CIPHER_CTX *ctx, uint8_t *out, int *out_bytes)
    int EVP_CipherUpdate(EVP_CIPHER_CTX *ctx, uint8_t *out, int *out_bytes, const uint8_t *data, int data_bytes)
    enum: EVP_CTRL_GCM_SET_IV_FIXED

cdef extern from "openssl/core_names.h" nogil:
    const char *OSSL_CIPHER_PARAM_AEAD_TAG
    const char *OSSL_CIPHER_PARAM_AEAD_TLS1_GET_IV_GEN
    const char *OSSL_CIPHER_PARAM_AEAD_TLS1_SET_IV_INV

cdef extern from "openssl/crypto.h" nogil:
    const char *OpenSSL_version(int kind)
    enum: OPENSSL_VERSION

cdef extern from "endian.h" nogil:
    uint16_t htobe16(uint16_t value)
    uint16_t be16toh(uint16_t value)
    uint64_t htobe64(uint64_t value)
    uint16_t le16toh(uint16_t value)
    uint32_t htole32(uint32_t value)
    uint32_t le32toh(uint32_t value)
    uint64_t htole64(uint64_t value)
    uint64_t le64toh(uint64_t value)

cdef extern from "sys/socket.h" nogil:
    ssize_t send(int fd, const void *data, size_t data_bytes, int flags)
    ssize_t recv(int fd, void *data, size_t bytes_max, int flags)
    enum: MSG_DONTWAIT
    enum: MSG_NOSIGNAL

cdef extern from "sys/epoll.h" nogil:
    ctypedef union epoll_data_t:
        uint32_t u32
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_create1(int flags)
    int epoll_ctl(int epoll_fd, int operation, int fd, epoll_event *event)
    int epoll_wait(int epoll_fd, epoll_event *events, int events_max, int timeout_ms)
    enum: EPOLLIN
    enum: EPOLLOUT
    enum: EPOLL_CTL_ADD
    enum: EPOLL_CTL_MOD

cdef extern from "time.h" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    struct itimerspec:
        timespec it_interval
        timespec it_value
    int clock_gettime(int clock, timespec *now)
    enum: CLOCK_MONOTONIC
    enum: CLOCK_THREAD_CPUTIME_ID

cdef extern from "sys/timerfd.h" nogil:
    int timerfd_create(int clock, int flags)
    int timerfd_settime(int fd, int flags, const itimerspec *when, itimerspec *before)
    enum: TFD_NONBLOCK
    enum: TFD_TIMER_ABSTIME

cdef extern from "unistd.h" nogil:
    int close(int fd)

cdef enum:
    GCM_TAG_BYTES = 16
    WHOLE_NONCE = -1                  # instead of the length of a fixed part: all 12 bytes are given


cdef inline int64_t now_ns(int clock) noexcept nogil:
    cdef timespec now
    clock_gettime(clock, &now)
    return <int64_t>now.tv_sec * 1000000000 + now.tv_nsec


cdef inline void put32(uint8_t *at, uint32_t value) noexcept nogil:
    value = htole32(value)
    memcpy(at, &value, 4)


cdef inline void put64(uint8_t *at, uint64_t value) noexcept nogil:
    value = htole64(value)
    memcpy(at, &value, 8)


cdef inline uint32_t get32(const uint8_t *at) noexcept nogil:
    cdef uint32_t value
    memcpy(&value, at, 4)
    return le32toh(value)


cdef inline int64_t get64(const uint8_t *at) noexcept nogil:
    cdef uint64_t value
    memcpy(&value, at, 8)
    return <int64_t>le64toh(value)


# EVP_EncryptInit_ex with a new nonce for each message works too, and takes 30 to 70 ns more (OpenSSL 3.0): it asks the
# context for its own parameters every time. OpenSSL's generator of nonces counts up by itself, and its nonce, 4 fixed
# bytes and a big-endian counter of 8, is Noise's.

cdef inline int start_counter(EVP_CIPHER_CTX *ctx, uint64_t counter) noexcept nogil:
    """Once for each direction, behind the key; 1 when it worked."""
    cdef uint8_t nonce[12]
    memset(nonce, 0, 4)
    counter = htobe64(counter)
    memcpy(nonce + 4, &counter, 8)
    return EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_IV_FIXED, WHOLE_NONCE, nonce)


cdef inline int change_key(EVP_CIPHER_CTX *ctx, uint64_t counter) noexcept nogil:
    """Noise's rekey, section 4.2: the key stream of nonce 2^64 - 1 becomes the key; goes on at `counter`. 1: done."""
    cdef uint8_t nonce[12]
    cdef uint8_t key[32]
    cdef int done_bytes
    memset(nonce, 0, 4)
    memset(nonce + 4, 0xFF, 8)
    memset(key, 0, 32)
    if EVP_CipherInit_ex(ctx, NULL, NULL, NULL, nonce, -1) != 1:      # -1: seals or opens, as before
        return 0
    if EVP_CipherUpdate(ctx, key, &done_bytes, key, 32) != 1:
        return 0
    if EVP_CipherInit_ex(ctx, NULL, NULL, key, NULL, -1) != 1:
        return 0
    return start_counter(ctx, counter)


cdef inline void set_octets(OSSL_PARAM *param, const char *name, void *data, size_t data_bytes) noexcept nogil:
    param.key = name
    param.data_type = OSSL_PARAM_OCTET_STRING
    param.data = data
    param.data_size = data_bytes
    param.return_size = 0


cdef inline int seal(EVP_CIPHER_CTX *ctx, uint8_t *data, int data_bytes) noexcept nogil:
    """Seal in place with the next nonce; the tag goes behind the data. 1 when it worked."""
    cdef OSSL_PARAM params[2]
    cdef uint8_t counter[8]
    cdef int done_bytes
    params[1].key = NULL
    set_octets(params, OSSL_CIPHER_PARAM_AEAD_TLS1_GET_IV_GEN, counter, sizeof(counter))
    if EVP_CIPHER_CTX_get_params(ctx, params) != 1:
        return 0
    if EVP_EncryptUpdate(ctx, data, &done_bytes, data, data_bytes) != 1:
        return 0
    if EVP_EncryptFinal_ex(ctx, data + data_bytes, &done_bytes) != 1:
        return 0
    set_octets(params, OSSL_CIPHER_PARAM_AEAD_TAG, data + data_bytes, GCM_TAG_BYTES)
    return EVP_CIPHER_CTX_get_params(ctx, params)


cdef inline int unseal(EVP_CIPHER_CTX *ctx, uint64_t counter, uint8_t *data, int data_bytes) noexcept nogil:
    """Open in place; the tag lies behind the data. 1 when it is genuine."""
    cdef OSSL_PARAM params[3]
    cdef int done_bytes
    counter = htobe64(counter)
    params[2].key = NULL
    set_octets(&params[0], OSSL_CIPHER_PARAM_AEAD_TAG, data + data_bytes, GCM_TAG_BYTES)
    set_octets(&params[1], OSSL_CIPHER_PARAM_AEAD_TLS1_SET_IV_INV, &counter, sizeof(counter))
    if EVP_CIPHER_CTX_set_params(ctx, params) != 1:
        return 0
    if EVP_DecryptUpdate(ctx, data, &done_bytes, data, data_bytes) != 1:
        return 0
    return EVP_DecryptFinal_ex(ctx, data + data_bytes, &done_bytes)
