"""Where cards get an account, lose it or hand it on: issue, return, voiding, replacement, correction."""

from libc.stdint cimport uint16_t

from switch._card_job cimport job_t
from switch._tables cimport Tables

# Each checks, then changes accounts and other cards; the job's own card is kept by the caller when the code is 0.
cdef uint16_t issue(Tables tables, job_t* job) noexcept nogil
cdef uint16_t pay_out(Tables tables, job_t* job) noexcept nogil
cdef uint16_t write_off(Tables tables, job_t* job) noexcept nogil
cdef uint16_t replace(Tables tables, job_t* job) noexcept nogil
cdef uint16_t correct(Tables tables, job_t* job) noexcept nogil
