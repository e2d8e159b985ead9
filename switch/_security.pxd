"""Security by message: media and what they may do, keys and their states, ways between stores, alarms."""

from libc.stdint cimport uint16_t

from switch._decision cimport ask_t, decision_t
from switch._layout cimport (
    change_key_request_t, confirm_write_request_t, handle_alarm_request_t, put_key_request_t,
    put_medium_policy_request_t, put_medium_request_t, put_travel_request_t, rewrap_key_request_t)
from switch._tables cimport Tables


cdef uint16_t confirm_write(Tables tables, const ask_t* ask, const confirm_write_request_t* request,
                            decision_t* decision) noexcept nogil

# Here and below: keys in the request are wrapped already, and storage_version says with what.
cdef uint16_t put_medium(Tables tables, const ask_t* ask, const put_medium_request_t* request,
                         decision_t* decision) noexcept nogil

cdef uint16_t put_medium_policy(Tables tables, const ask_t* ask, const put_medium_policy_request_t* request,
                                decision_t* decision) noexcept nogil

cdef uint16_t put_key(Tables tables, const ask_t* ask, const put_key_request_t* request,
                      decision_t* decision) noexcept nogil

cdef uint16_t put_travel(Tables tables, const ask_t* ask, const put_travel_request_t* request,
                         decision_t* decision) noexcept nogil

cdef uint16_t handle_alarm(Tables tables, const ask_t* ask, const handle_alarm_request_t* request,
                           decision_t* decision) noexcept nogil

cdef uint16_t rewrap_key(Tables tables, const ask_t* ask, const rewrap_key_request_t* request,
                         decision_t* decision) noexcept nogil

cdef uint16_t change_key(Tables tables, const ask_t* ask, const change_key_request_t* request,
                         decision_t* decision) noexcept nogil
