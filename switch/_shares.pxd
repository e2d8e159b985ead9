"""Exact sums and fair shares: products beyond 64 bits, and what is left over given by largest remainder."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from *:
    """
    #include <stdint.h>
    typedef __int128 int128_t;

    /* False when the result needs more than 64 bits. */
    static inline int multiply(int64_t a, int64_t b, int64_t* result) { return !__builtin_mul_overflow(a, b, result); }
    static inline int add(int64_t a, int64_t b, int64_t* result) { return !__builtin_add_overflow(a, b, result); }

    static inline int128_t wide(int64_t a) { return a; }
    static inline int128_t product(int64_t a, int64_t b) { return (int128_t)a * b; }
    static inline int128_t product_of_three(int64_t a, int64_t b, int64_t c) { return (int128_t)a * b * c; }

    static inline int128_t bounded(int128_t a, int128_t most) { return a > most ? most : a < -most ? -most : a; }

    /* Towards minus infinity; the remainder is never negative. The quotient must fit 64 bits. */
    static inline int64_t floor_divide(int128_t a, int64_t by, int64_t* remainder) {
        int128_t quotient = a / by;
        int64_t rest = (int64_t)(a - quotient * by);
        if (rest < 0) { quotient--; rest += by; }
        *remainder = rest;
        return (int64_t)quotient;
    }

    static inline int64_t floor_divide_64(int64_t a, int64_t by, int64_t* remainder) {
        int64_t quotient = a / by;
        int64_t rest = a - quotient * by;
        if (rest < 0) { quotient--; rest += by; }
        *remainder = rest;
        return quotient;
    }

    /* a / 1000, halves upwards (towards plus infinity). */
    static inline int128_t thousandth(int128_t a) {
        int128_t raised = a + 500, quotient = raised / 1000;
        return raised % 1000 < 0 ? quotient - 1 : quotient;
    }
    """
    ctypedef long long int128_t      # only C knows its true width: mix it with nothing else, but for `wide`
    bint multiply(int64_t a, int64_t b, int64_t* result) noexcept nogil
    bint add(int64_t a, int64_t b, int64_t* result) noexcept nogil
    int128_t wide(int64_t a) noexcept nogil
    int128_t product(int64_t a, int64_t b) noexcept nogil
    int128_t product_of_three(int64_t a, int64_t b, int64_t c) noexcept nogil
    int128_t bounded(int128_t a, int128_t most) noexcept nogil
    int64_t floor_divide(int128_t a, int64_t by, int64_t* remainder) noexcept nogil
    int64_t floor_divide_64(int64_t a, int64_t by, int64_t* remainder) noexcept nogil
    int128_t thousandth(int128_t a) noexcept nogil


cdef inline uint64_t claim(uint64_t remainder, uint32_t line) noexcept nogil:
    """A line's claim to one more: by remainder (below 2^56), the lower line first."""
    return remainder << 8 | (255 - line)


cdef inline uint32_t claimed_by(uint64_t claim_) noexcept nogil:
    return 255 - <uint32_t>(claim_ & 255)


cdef inline void sink(uint64_t* claims, uint32_t at, uint32_t count) noexcept nogil:
    cdef uint64_t sinking = claims[at]
    cdef uint32_t below = 2 * at + 1
    while below < count:
        if below + 1 < count and claims[below + 1] > claims[below]:
            below += 1
        if claims[below] <= sinking:
            break
        claims[at] = claims[below]
        at = below
        below = 2 * at + 1
    claims[at] = sinking


cdef inline uint64_t* largest(uint64_t* claims, uint32_t count, uint32_t wanted) noexcept nogil:
    """The `wanted` largest of the claims, which are put into another order: a heap, and its top taken so often."""
    cdef uint32_t left = count, i, _n
    cdef uint64_t top
    for i in range(count // 2):
        sink(claims, count // 2 - 1 - i, count)
    for _n in range(wanted):
        left -= 1
        top = claims[0]
        claims[0] = claims[left]
        claims[left] = top
        sink(claims, 0, left)
    return claims + left
