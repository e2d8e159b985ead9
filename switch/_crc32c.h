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
#include <immintrin.h>

/* The instruction gives a result after three cycles and could begin every one: so three parts of the data are summed
 * side by side, and the sums joined. A sum with m words of 8 bytes behind it is multiplied by x^64m; the instruction
 * itself multiplies what it is given by x^32, and a carry-less product of reflected numbers is short of one x. */
enum { CRC32C_PART_WORDS_MIN = 6, CRC32C_PART_WORDS_MAX = 128 };
static uint32_t crc32c_powers[2 * CRC32C_PART_WORDS_MAX + 1];     /* [m]: x^(64m - 33), reflected */

__attribute__((constructor)) static void crc32c_make_powers(void) {
    uint32_t power = 0x80000000u;                                  /* x^0 */
    for (int exponent = 0; exponent <= 128 * CRC32C_PART_WORDS_MAX - 33; exponent++) {
        if ((exponent + 33) % 64 == 0) crc32c_powers[(exponent + 33) / 64] = power;
        power = (power & 1) ? (power >> 1) ^ 0x82F63B78u : power >> 1;
    }
}

static inline uint64_t crc32c_word(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}

__attribute__((target("sse4.2,pclmul"))) static uint64_t crc32c_behind(uint64_t c, int word_count) {
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)c),
                                           _mm_cvtsi64_si128((int64_t)crc32c_powers[word_count]), 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t crc32c_sse42(const uint8_t *data, size_t size) {
    uint64_t a = 0xFFFFFFFFu;
    while (size >= 3 * 8 * CRC32C_PART_WORDS_MIN) {
        size_t words = size / 24 < CRC32C_PART_WORDS_MAX ? size / 24 : CRC32C_PART_WORDS_MAX, i;
        const uint8_t *second = data + 8 * words, *third = second + 8 * words;
        uint64_t b = 0, c = 0;
        for (i = 0; i + 1 < words; i++) {
            a = _mm_crc32_u64(a, crc32c_word(data + 8 * i));
            b = _mm_crc32_u64(b, crc32c_word(second + 8 * i));
            c = _mm_crc32_u64(c, crc32c_word(third + 8 * i));
        }
        a = _mm_crc32_u64(a, crc32c_word(data + 8 * i));
        b = _mm_crc32_u64(b, crc32c_word(second + 8 * i));
        a = _mm_crc32_u64(c, crc32c_word(third + 8 * i) ^ crc32c_behind(a, (int)(2 * words))
                                 ^ crc32c_behind(b, (int)words));
        data += 24 * words;
        size -= 24 * words;
    }
    for (; size >= 8; data += 8, size -= 8) a = _mm_crc32_u64(a, crc32c_word(data));
    uint32_t tail = (uint32_t)a;
    while (size--) tail = _mm_crc32_u8(tail, *data++);
    return ~tail;
}
static inline uint32_t crc32c(const uint8_t *data, size_t size) {
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul") ? crc32c_sse42(data, size)
                                                                                 : crc32c_portable(data, size);
}
#else
static inline uint32_t crc32c(const uint8_t *data, size_t size) { return crc32c_portable(data, size); }
#endif
#endif
