/* CRC-32C (Castagnoli, RFC 3720 appendix B.4): the processor's instruction where it has one, a table where not.
 * Check value: crc32c("123456789") == 0xE3069283. */
#ifndef CARDSWITCH_CRC32C_H
#define CARDSWITCH_CRC32C_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static uint32_t crc32c_table[256];
static int crc32c_table_ready = 0;

static void crc32c_make_table(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) c = (c & 1) ? (c >> 1) ^ 0x82F63B78u : c >> 1;
        crc32c_table[i] = c;
    }
    crc32c_table_ready = 1;
}

static uint32_t crc32c_portable(const uint8_t *data, size_t size) {
    if (!crc32c_table_ready) crc32c_make_table();
    uint32_t c = 0xFFFFFFFFu;
    for (size_t i = 0; i < size; i++) c = (c >> 8) ^ crc32c_table[(c ^ data[i]) & 0xFF];
    return ~c;
}

#if defined(__x86_64__)
#include <nmmintrin.h>
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(const uint8_t *data, size_t size) {
    uint64_t c = 0xFFFFFFFFu, word;
    while (size >= 8) {
        memcpy(&word, data, 8);
        c = _mm_crc32_u64(c, word);
        data += 8;
        size -= 8;
    }
    uint32_t tail = (uint32_t)c;
    while (size--) tail = _mm_crc32_u8(tail, *data++);
    return ~tail;
}
static inline uint32_t crc32c(const uint8_t *data, size_t size) {
    return __builtin_cpu_supports("sse4.2") ? crc32c_sse42(data, size) : crc32c_portable(data, size);
}
#else
static inline uint32_t crc32c(const uint8_t *data, size_t size) { return crc32c_portable(data, size); }
#endif
#endif
