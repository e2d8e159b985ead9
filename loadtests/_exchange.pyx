# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Requests out, replies in, on one link, without Python and without the GIL.

Each link (a connected, signed-on socket) has a window of slots.  A slot holds
one request in flight; its number is part of the header's sequence, so that a
reply finds its request at once, and a reply that comes twice, or for nothing,
finds no slot and fails the run.  Requests that fit into the window together
are sealed one behind the other and leave with one `send`.
"""

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove

from ._histogram cimport histogram_add
from ._native cimport (
    CLOCK_MONOTONIC, EPOLL_CTL_MOD, EPOLLIN, EPOLLOUT, GCM_TAG_BYTES, MSG_DONTWAIT, MSG_NOSIGNAL, be16toh, change_key,
    epoll_ctl, epoll_event, get32, get64, htobe16, le16toh, now_ns, put32, put64, recv, seal, send, unseal,
)


cdef inline uint64_t draw(run_t *run) noexcept nogil:
    """Next random number (splitmix64: three multiplications, any seed is good)."""
    run.random_state += <uint64_t>0x9E3779B97F4A7C15
    cdef uint64_t mixed = run.random_state
    mixed = (mixed ^ (mixed >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    mixed = (mixed ^ (mixed >> 27)) * <uint64_t>0x94D049BB133111EB
    return mixed ^ (mixed >> 31)


# --------------------------------------------------------------------------- sending


cdef int compose(run_t *run, link_t *link) noexcept nogil:
    """Write one sealed request behind the others in the link's buffer. The caller has checked that a slot is free."""
    cdef int slot_number, line
    cdef slot_t *slot
    cdef uint8_t *frame = link.out + link.out_tail
    cdef uint8_t *message = frame + LENGTH_BYTES
    cdef uint16_t length = htobe16(<uint16_t>(run.frame_bytes - LENGTH_BYTES))
    cdef uint64_t card, dice = 0
    cdef int64_t line_minor

    link.free_count -= 1
    slot_number = link.free_slots[link.free_count]
    slot = &link.slots[slot_number]
    link.serial = link.serial + 1 if link.serial < 0xFFFFF else 1
    slot.sequence = (link.serial << 12) | <uint32_t>slot_number
    slot.amount_minor = run.amount_minor

    memcpy(frame, &length, LENGTH_BYTES)
    memcpy(message, run.message, run.message_bytes)
    put32(message + run.sequence_at, slot.sequence)
    if run.card_at >= 0:
        if run.random_cards:
            card = ((draw(run) >> 32) * run.card_count) >> 32
        else:
            card = run.issued % run.card_count
        put64(message + run.card_at, run.first_card + card)
    if run.trace_at >= 0:
        slot.trace_number = link.next_trace_number
        link.next_trace_number += 1
        put32(message + run.trace_at, slot.trace_number)
    if run.amount_at >= 0:
        slot.amount_minor = 0
        for line in range(run.line_count):
            if line % 7 == 0:         # one random number holds seven amounts of nine bits
                dice = draw(run)
            line_minor = 1 + <int64_t>(dice & (LINE_MINOR_STEPS - 1))
            dice >>= 9
            slot.amount_minor += line_minor
            put64(message + run.line_at + line * run.line_bytes, <uint64_t>line_minor)
        put64(message + run.amount_at, <uint64_t>slot.amount_minor)
    if run.gap_ns > 0:
        slot.from_ns = run.start_ns + <int64_t>(run.gap_ns * <double>run.issued)
    if run.sealed:
        if link.send_counter == link.send_rekey_at:
            link.send_rekey_at += link.rekey_frames
            if change_key(link.sealer, link.send_counter) != 1:
                return CIPHER_FAILED
        if seal(link.sealer, message, <int>run.message_bytes) != 1:
            return CIPHER_FAILED
        link.send_counter += 1
    link.out_tail += run.frame_bytes
    run.issued += 1
    return OK


cdef int flush(run_t *run, link_t *link) noexcept nogil:
    """Give the socket what it takes; ask to be told when it takes the rest."""
    cdef epoll_event event
    cdef ssize_t sent
    while link.out_head < link.out_tail:
        sent = send(link.fd, link.out + link.out_head, link.out_tail - link.out_head, MSG_DONTWAIT | MSG_NOSIGNAL)
        if sent >= 0:
            link.out_head += <size_t>sent
        elif errno == EAGAIN:
            break
        elif errno != EINTR:
            run.bad_detail = errno
            return SOCKET_FAILED
    if link.out_head == link.out_tail:
        link.out_head = link.out_tail = 0
    if link.waits_to_write != (link.out_tail > 0):
        link.waits_to_write = link.out_tail > 0
        event.events = EPOLLIN | (EPOLLOUT if link.waits_to_write else 0)
        event.data.u32 = link.number
        epoll_ctl(run.epoll_fd, EPOLL_CTL_MOD, link.fd, &event)
    return OK


cdef int fill(run_t *run, link_t *link, uint64_t wanted) noexcept nogil:
    """Issue up to `wanted` requests as far as the window is open, sealed first, then sent together."""
    cdef int top = link.free_count
    cdef int status, n
    cdef int64_t from_ns
    if link.out_head > 0 and link.out_tail + run.frame_bytes * <size_t>link.free_count > link.out_bytes_max:
        memmove(link.out, link.out + link.out_head, link.out_tail - link.out_head)
        link.out_tail -= link.out_head
        link.out_head = 0
    while wanted > 0 and link.free_count > 0 and run.issued < run.message_count:
        status = compose(run, link)
        if status != OK:
            return status
        wanted -= 1
    if link.free_count == top:
        return OK
    if run.gap_ns == 0:
        from_ns = now_ns(CLOCK_MONOTONIC)
        for n in range(link.free_count, top):   # the slots just taken still stand above the top of the stack
            link.slots[link.free_slots[n]].from_ns = from_ns
    if link.waits_to_write:
        return OK
    return flush(run, link)


# --------------------------------------------------------------------------- receiving


cdef inline int check_reply(run_t *run, const uint8_t *reply, int reply_bytes, slot_t *slot) noexcept nogil:
    cdef uint16_t code
    cdef int64_t amount_minor
    cdef int after = run.sequence_at + 4
    if not run.sealed:
        if memcmp(reply, run.message, run.sequence_at) != 0:
            return ECHO_MISMATCH
        if memcmp(reply + after, run.message + after, reply_bytes - after) != 0:
            return ECHO_MISMATCH
        run.code_counts[0] += 1
        return OK
    memcpy(&code, reply + run.code_at, 2)
    code = le16toh(code)
    if run.trace_at >= 0 and get32(reply + run.reply_trace_at) != slot.trace_number:
        return TRACE_MISMATCH
    amount_minor = get64(reply + run.reply_amount_at)
    if amount_minor != (slot.amount_minor if code == 0 else 0):
        return AMOUNT_MISMATCH
    run.code_counts[code if code < CODE_MAX else CODE_MAX - 1] += 1
    run.approved_minor_sum += amount_minor
    run.balance_minor_sum += get64(reply + run.balance_at)
    run.points_sum += get64(reply + run.points_at)
    run.points_balance_sum += get64(reply + run.points_balance_at)
    return OK


cdef inline int take_reply(
    run_t *run, link_t *link, uint8_t *reply, int reply_bytes, int64_t now
) noexcept nogil:
    """Open one frame, find its request, check it, count it, free its slot."""
    cdef uint32_t sequence
    cdef slot_t *slot
    cdef int status, expected_bytes = run.reply_bytes if run.sealed else <int>run.message_bytes
    if run.sealed:
        reply_bytes -= GCM_TAG_BYTES
        if reply_bytes < run.sequence_at + 4:
            return REPLY_LENGTH
        if link.receive_counter == link.receive_rekey_at:
            link.receive_rekey_at += link.rekey_frames
            if change_key(link.opener, link.receive_counter) != 1:
                return CIPHER_FAILED
        if unseal(link.opener, link.receive_counter, reply, reply_bytes) != 1:
            return TAG_INVALID
        link.receive_counter += 1
        run.bad_detail = get64(reply + run.sequence_at + 4) if reply_bytes >= run.sequence_at + 12 else 0
        if reply[1] == ERROR_TYPE:
            return ERROR_REPLY
        if reply[1] != run.reply_type:
            return REPLY_TYPE
    # A debit that earned something says so line by line, behind the fixed part of its reply.
    if reply_bytes != expected_bytes and (
            not run.sealed or reply_bytes != expected_bytes + run.line_count * run.line_result_bytes):
        return REPLY_LENGTH
    sequence = get32(reply + run.sequence_at)
    run.bad_sequence = sequence
    slot = &link.slots[sequence & (WINDOW_MAX - 1)]
    if slot.sequence != sequence or sequence == 0:
        return REPLY_UNASKED
    status = check_reply(run, reply, reply_bytes, slot)
    if status != OK:
        return status
    histogram_add(run.latencies, <uint64_t>max(now - slot.from_ns, 0))
    slot.sequence = 0
    link.free_slots[link.free_count] = <uint16_t>(sequence & (WINDOW_MAX - 1))
    link.free_count += 1
    run.answered += 1
    return OK


cdef int receive(run_t *run, link_t *link) noexcept nogil:
    """Read once and take every whole frame; the piece left over waits in the link."""
    cdef uint8_t *buffer = run.buffer
    cdef size_t at = 0, end
    cdef ssize_t got
    cdef uint16_t length
    cdef int status
    cdef int64_t now
    memcpy(buffer, link.carry, link.carry_bytes)
    got = recv(link.fd, buffer + link.carry_bytes, RECEIVE_BYTES - link.carry_bytes, MSG_DONTWAIT)
    now = now_ns(CLOCK_MONOTONIC)
    if got == 0:
        return CLOSED_BY_PEER
    if got < 0:
        if errno == EAGAIN or errno == EINTR:
            return OK
        run.bad_detail = errno
        return SOCKET_FAILED
    end = link.carry_bytes + <size_t>got
    while end - at >= LENGTH_BYTES:
        memcpy(&length, buffer + at, LENGTH_BYTES)
        length = be16toh(length)
        if end - at < <size_t>LENGTH_BYTES + length:
            break
        status = take_reply(run, link, buffer + at + LENGTH_BYTES, length, now)
        if status != OK:
            return status
        at += <size_t>LENGTH_BYTES + length
    link.carry_bytes = end - at
    memcpy(link.carry, buffer + at, link.carry_bytes)
    run.last_reply_ns = now
    return OK
