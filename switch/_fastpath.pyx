"""The hot decision: bytes of a request in, entry and reply out, no Python object in between.

Owns the rules of docs/decision.md (the readable form is tests/twin).  Reads no
clock, no random source, no file but the journal for repeats.  Invariant: a
decision changes tables, window and batch together, under the mutex of the
batch, so the next decision sees all of it or nothing.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset

from switch._form cimport fault_t, right_needed, well_formed
from switch._index cimport slot_t
from switch._layout cimport *
from switch._tables cimport Tables
from switch.duplicates cimport ANSWERED_AFTER_NOTE, NOTED, POSITION_MASK_LOW, REVERSED, AnswerWindow, answer_key
from switch.group_commit cimport GroupCommit
from switch._operators cimport decision_t, evaluate_operator
from switch.journal cimport ROOM_PLENTY

cdef extern from "_crc32c.h" nogil:
    uint32_t c_crc32c "crc32c"(const uint8_t* data, size_t size)

cdef enum:
    MS_PER_DAY = 86400000
    IMAGES_MAX = 2
    IMAGES_BYTES_MAX = IMAGES_MAX * RECORD_BYTES_MAX
    RIGHTS_ALL = 15

cdef int64_t STAMP_MS_MAX = 4102444800000        # 2100-01-01: a replay's stamp beyond it is no time of sale
cdef int64_t POINTS_HUNDREDTHS_MAX = 4000000000000000000


# ------------------------------------------------------------------------ evaluate: pure functions of state and request

cdef inline void show_account(reply_t* reply, const account_record_t* account) noexcept nogil:
    reply.balance_minor = account.balance_minor
    reply.points_balance_hundredths = account.points_hundredths


cdef inline bint line_amounts(const debit_request_t* request, int64_t* above_zero, int64_t* net) noexcept nogil:
    """Sums over the bill lines; False when their absolute values sum to more than an amount may be."""
    cdef const bill_line_t* lines = <const bill_line_t*>(<const uint8_t*>request + sizeof(debit_request_t))
    cdef int64_t absolute = 0, amount
    cdef int i
    above_zero[0] = net[0] = 0
    for i in range(request.line_count):
        amount = lines[i].amount_minor
        if amount > AMOUNT_MINOR_MAX or amount < -AMOUNT_MINOR_MAX:
            return False
        net[0] += amount
        if amount > 0:
            above_zero[0] += amount
            absolute += amount
        else:
            absolute -= amount
    return absolute <= AMOUNT_MINOR_MAX


cdef inline int64_t points_earned(const debit_request_t* request, const card_type_record_t* card_type,
                                  int64_t above_zero, int64_t net, int64_t day_points, int64_t points) noexcept nogil:
    """Hundredths of points that a bill earns: multiplied exactly, rounded down, then cut to what may still come."""
    cdef const bill_line_t* lines = <const bill_line_t*>(<const uint8_t*>request + sizeof(debit_request_t))
    cdef int64_t rate = <int64_t>card_type.points_per_unit * card_type.points_percent
    cdef int64_t earned = 0
    cdef int i
    if request.line_count == 0:
        earned = request.amount_minor * rate // 10000
    elif card_type.flags & CARD_TYPE_ROUND_LINES:
        for i in range(request.line_count):
            if lines[i].amount_minor > 0:
                earned += lines[i].amount_minor * rate // 10000
    elif card_type.flags & CARD_TYPE_NET_LINES:
        earned = net * rate // 10000 if net > 0 else 0
    else:
        earned = above_zero * rate // 10000
    earned *= 100
    if earned > card_type.daily_points_max_hundredths - day_points:
        earned = card_type.daily_points_max_hundredths - day_points
    if earned > POINTS_HUNDREDTHS_MAX - points:
        earned = POINTS_HUNDREDTHS_MAX - points
    return earned if earned > 0 else 0


cdef void evaluate_debit(Engine engine, const debit_request_t* request, uint32_t today,
                         decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef account_record_t* account = NULL
    cdef card_record_t* card = engine.tables.card(request.card_number, &account)
    cdef card_type_record_t* card_type = NULL
    cdef int64_t amount = request.amount_minor, above_zero, net, day_minor = 0, day_points = 0, earned
    cdef uint32_t day_count = 0
    if card != NULL:
        show_account(reply, account)
        card_type = engine.tables.card_type(card.card_type, today)
        if account.business_date == today:
            day_minor, day_count = account.day_debit_minor, account.day_debit_count
            day_points = account.day_points_hundredths
    # In order of precedence; the first that fails is the answer.
    if amount < 0 or amount > AMOUNT_MINOR_MAX or not line_amounts(request, &above_zero, &net):
        reply.code = CODE_AMOUNT
    elif amount == 0 and (card_type == NULL or not card_type.flags & CARD_TYPE_ZERO_AMOUNT):
        reply.code = CODE_AMOUNT
    elif card == NULL or card_type == NULL:
        reply.code = CODE_CARD_UNKNOWN
    elif card.status != CARD_ACTIVE:
        reply.code = CODE_CARD_BLOCKED
    elif amount > card_type.single_minor_max:
        reply.code = CODE_SINGLE_AMOUNT
    elif day_count >= card_type.daily_count_max:
        # "No limit" is the largest count there is: it stops a counter from running over, after 4,294,967,295 debits.
        reply.code = CODE_DAILY_COUNT
    elif amount > card_type.daily_minor_max - day_minor:
        reply.code = CODE_DAILY_AMOUNT
    elif amount > account.balance_minor:
        reply.code = CODE_FUNDS
    else:
        # From here on it must succeed.
        earned = points_earned(request, card_type, above_zero, net, day_points, account.points_hundredths)
        account.business_date = today
        account.balance_minor -= amount
        account.day_debit_minor = day_minor + amount
        account.day_debit_count = day_count + 1
        account.points_hundredths += earned
        account.day_points_hundredths = day_points + earned
        account.last_sequence = reply.journal_sequence
        reply.code = CODE_APPROVED
        reply.amount_minor = amount
        reply.points_hundredths = earned
        show_account(reply, account)
        decision.images[0] = <const uint8_t*>account
        decision.image_count = 1


cdef void evaluate_reversal(Engine engine, uint32_t terminal_id, const reversal_request_t* request,
                            decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef account_record_t* account = NULL
    cdef uint64_t key = answer_key(terminal_id, request.original_trace_number)
    cdef uint32_t date = request.original_business_date
    cdef slot_t* slot
    cdef const entry_header_t* original
    cdef const debit_request_t* debit
    cdef const reply_t* answer
    if engine.tables.card(request.card_number, &account) != NULL:
        show_account(reply, account)
    if not engine.answers.covers(date):
        reply.code = CODE_ORIGINAL_OUTSIDE_WINDOW
        return
    if date == request.business_date and request.original_trace_number == request.trace_number:
        reply.code = CODE_ORIGINAL_MISMATCH
        return
    slot = engine.answers.find(date, key)
    if slot != NULL and not slot.value & (NOTED | REVERSED):
        original = <const entry_header_t*>engine.commit.entry_at(slot.value & ~<uint64_t>POSITION_MASK_LOW)
        debit = <const debit_request_t*>(<const uint8_t*>original + sizeof(entry_header_t))
        if original.request_type != TYPE_DEBIT:
            reply.code = CODE_ORIGINAL_NOT_REVERSIBLE
            return
        if debit.card_number != request.card_number or debit.amount_minor != request.amount_minor:
            reply.code = CODE_ORIGINAL_MISMATCH
            return
        answer = reply_of(original)
        if answer.code == CODE_APPROVED:
            account.balance_minor += answer.amount_minor
            account.points_hundredths -= answer.points_hundredths
            if account.business_date == original.business_date:
                account.day_debit_minor -= answer.amount_minor
                account.day_debit_count -= 1
                account.day_points_hundredths -= answer.points_hundredths
            account.last_sequence = reply.journal_sequence
            reply.amount_minor = answer.amount_minor
            reply.points_hundredths = -answer.points_hundredths
            show_account(reply, account)
            decision.images[0] = <const uint8_t*>account
            decision.image_count = 1
    reply.code = CODE_APPROVED
    decision.marks_original = 1
    decision.original_date = date
    decision.original_key = key


cdef void evaluate_credit(Engine engine, const credit_request_t* request, decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef account_record_t* account = NULL
    cdef card_record_t* card = engine.tables.card(request.card_number, &account)
    if card != NULL:
        show_account(reply, account)
    if request.amount_minor <= 0 or request.amount_minor > AMOUNT_MINOR_MAX:
        reply.code = CODE_AMOUNT
    elif card == NULL:
        reply.code = CODE_CARD_UNKNOWN
    elif card.status != CARD_ACTIVE:
        reply.code = CODE_CARD_BLOCKED
    elif request.amount_minor > BALANCE_MINOR_MAX - account.balance_minor:
        reply.code = CODE_AMOUNT
    else:
        account.balance_minor += request.amount_minor
        account.last_sequence = reply.journal_sequence
        reply.code = CODE_APPROVED
        reply.amount_minor = request.amount_minor
        show_account(reply, account)
        decision.images[0] = <const uint8_t*>account
        decision.image_count = 1


# ------------------------------------------------------------------------ entries

cdef inline const reply_t* reply_of(const entry_header_t* entry) noexcept nogil:
    """The reply inside an entry: behind the request and its padding."""
    return <const reply_t*>(<const uint8_t*>entry + sizeof(entry_header_t) + ((entry.request_bytes + 7) & ~7))


cdef inline bint same_request(const entry_header_t* entry, uint8_t request_type, const uint8_t* body,
                              uint32_t body_bytes) noexcept nogil:
    return (entry.request_type == request_type and entry.request_bytes == body_bytes
            and memcmp(<const uint8_t*>entry + sizeof(entry_header_t), body, body_bytes) == 0)


cdef inline uint32_t write_reply(uint8_t* out, const header_t* asked, const reply_t* reply) noexcept nogil:
    cdef header_t* header = <header_t*>out
    header.version, header.type, header.flags = PROTOCOL_VERSION, asked.type | REPLY_BIT, 0
    header.sequence = asked.sequence
    memcpy(out + sizeof(header_t), reply, sizeof(reply_t))
    return sizeof(header_t) + sizeof(reply_t)


cdef inline uint32_t write_error(uint8_t* out, const header_t* asked, const fault_t* fault) noexcept nogil:
    cdef header_t* header = <header_t*>out
    cdef error_reply_t* error = <error_reply_t*>(out + sizeof(header_t))
    header.version, header.type, header.flags = PROTOCOL_VERSION, TYPE_ERROR | REPLY_BIT, 0
    header.sequence = asked.sequence
    memset(error, 0, sizeof(error_reply_t))
    error.code, error.type = fault.code, asked.type
    error.offset, error.expected, error.got = fault.offset, fault.expected, fault.got
    return sizeof(header_t) + sizeof(error_reply_t)


cdef uint32_t turned_away(Engine engine, uint8_t* out, const header_t* asked, reply_t* reply, uint16_t code,
                          uint32_t retry_after_ms) noexcept nogil:
    """An answer that leaves no trace in the journal."""
    reply.code = code
    reply.retry_after_ms = retry_after_ms
    engine.code_counts[code & 255] += 1
    return write_reply(out, asked, reply)


cdef uint16_t hindrance(Engine engine, uint32_t terminal_id, const reversal_request_t* request) noexcept nogil:
    """Why a reversal cannot be decided now: no room for a note, or its original cannot be read. 0: it can."""
    cdef uint32_t date = request.original_business_date
    cdef slot_t* slot
    if not engine.answers.covers(date):
        return 0
    slot = engine.answers.find(date, answer_key(terminal_id, request.original_trace_number))
    if slot == NULL:
        # The note needs a place, and on the same date the reversal's own answer needs another.
        if engine.answers.count_of(date) + (date == request.business_date) >= engine.answers.answers_per_date_max:
            return CODE_WINDOW_FULL
        return 0
    return 0 if engine.commit.entry_at(slot.value & ~<uint64_t>POSITION_MASK_LOW) != NULL else CODE_BUSY


# ------------------------------------------------------------------------ the engine

cdef class Engine:
    """State machine of one partition: tables, answers and the batch that is being gathered.

    `zone` is a list of (moment in ms since 1970 UTC, offset from UTC in s from then on), ascending, at least one;
    `last_now_ms` is the time of the last entry before, since a switch's clock never goes back.
    """

    def __cinit__(self, Tables tables not None, AnswerWindow answers not None, GroupCommit commit not None,
                  zone, bint replay_mode, int64_t last_now_ms=0):
        cdef int i
        self.last_now_ms = last_now_ms
        self.tables = tables
        self.answers = answers
        self.commit = commit
        self.replay_mode = replay_mode
        self.zone_count = len(zone)
        self.zone_starts_ms = <int64_t*>malloc(self.zone_count * sizeof(int64_t))
        self.zone_offsets_s = <int32_t*>malloc(self.zone_count * sizeof(int32_t))
        if self.zone_count == 0 or self.zone_starts_ms == NULL or self.zone_offsets_s == NULL:
            raise ValueError("zone: expected at least one (moment_ms, offset_s), got none")
        for i in range(self.zone_count):
            self.zone_starts_ms[i], self.zone_offsets_s[i] = zone[i]

    def __dealloc__(self):
        free(self.zone_starts_ms)
        free(self.zone_offsets_s)

    cdef uint32_t local_date(self, int64_t now_ms) noexcept nogil:
        """Days since 1970-01-01 of a moment in the journal's time zone."""
        cdef int at = self.zone_at, low, high, middle
        if now_ms < self.zone_starts_ms[at] or (at + 1 < self.zone_count and now_ms >= self.zone_starts_ms[at + 1]):
            low, high = 0, self.zone_count - 1
            while low < high:
                middle = (low + high + 1) // 2
                if self.zone_starts_ms[middle] <= now_ms:
                    low = middle
                else:
                    high = middle - 1
            self.zone_at = at = low
        now_ms += <int64_t>self.zone_offsets_s[at] * 1000
        return <uint32_t>(now_ms // MS_PER_DAY) if now_ms > 0 else 0

    cdef uint32_t decide_one(self, uint32_t terminal_id, uint32_t rights, const uint8_t* message,
                             uint32_t message_bytes, int64_t now_ms, uint8_t* out) noexcept nogil:
        """Decide one message of at least a header's length, under the mutex. Writes the plain reply, returns its bytes.

        `out` has room for header and reply. Where the decision was journaled, `entry_position` says so.
        """
        cdef const header_t* asked = <const header_t*>message
        cdef const uint8_t* body = message + sizeof(header_t)
        cdef uint32_t body_bytes = message_bytes - <uint32_t>sizeof(header_t), padded_bytes, entry_bytes, today, i
        cdef const debit_request_t* keyed = <const debit_request_t*>body     # all keyed requests begin alike
        cdef int64_t stamp_ms
        cdef fault_t fault
        cdef decision_t decision
        cdef reply_t* reply = &decision.reply
        cdef account_record_t* account = NULL
        cdef slot_t* slot
        cdef uint64_t key
        cdef const entry_header_t* answered
        cdef entry_header_t* entry
        cdef uint8_t* at
        cdef bint late = False
        cdef uint16_t hindered

        self.entry_position = 0
        self.type_counts[asked.type] += 1
        if not well_formed(terminal_id, message, message_bytes, &fault):
            self.code_counts[fault.code & 255] += 1
            return write_error(out, asked, &fault)
        memset(&decision, 0, sizeof(decision))
        if asked.type != TYPE_BALANCE:
            reply.trace_number = keyed.trace_number
        # Time: the switch's clock never goes back; a replay takes the stamp as now.
        if self.replay_mode:
            stamp_ms = (<const balance_request_t*>body).stamp_ms if asked.type == TYPE_BALANCE else keyed.stamp_ms
            if 0 <= stamp_ms <= STAMP_MS_MAX:
                now_ms = stamp_ms
        elif now_ms < self.last_now_ms:
            now_ms = self.last_now_ms
        today = self.local_date(now_ms)
        if today < self.answers.today:
            today = self.answers.today
        reply.business_date = today
        if not rights & right_needed(asked.type):
            return turned_away(self, out, asked, reply, CODE_NOT_PERMITTED, 0)
        self.last_now_ms = now_ms
        self.answers.advance(today)

        if asked.type == TYPE_BALANCE:
            if self.tables.card((<const balance_request_t*>body).card_number, &account) != NULL:
                show_account(reply, account)
                reply.journal_sequence = account.last_sequence
            else:
                reply.code = CODE_CARD_UNKNOWN
            self.code_counts[reply.code & 255] += 1
            return write_reply(out, asked, reply)

        # Duplicates: what was answered is answered again, whatever has changed since.
        if not self.answers.covers(keyed.business_date):
            return turned_away(self, out, asked, reply, CODE_BUSINESS_DATE, 0)
        key = answer_key(terminal_id, keyed.trace_number)
        slot = self.answers.find(keyed.business_date, key)
        if slot != NULL:
            late = slot.value & (NOTED | ANSWERED_AFTER_NOTE) == NOTED
            if not late:
                answered = <const entry_header_t*>self.commit.entry_at(slot.value & ~<uint64_t>POSITION_MASK_LOW)
                if answered == NULL:        # the journal cannot be read just now: say nothing that may be wrong
                    return turned_away(self, out, asked, reply, CODE_BUSY, BUSY_RETRY_AFTER_MS)
                if not same_request(answered, asked.type, body, body_bytes):
                    return turned_away(self, out, asked, reply, CODE_TRACE_REUSED, 0)
                self.repeat_count += 1
                return write_reply(out, asked, reply_of(answered))
        elif self.answers.full(keyed.business_date):
            return turned_away(self, out, asked, reply, CODE_WINDOW_FULL, FULL_RETRY_AFTER_MS)
        elif asked.type == TYPE_REVERSAL:
            hindered = hindrance(self, terminal_id, <const reversal_request_t*>body)
            if hindered:
                return turned_away(self, out, asked, reply, hindered, FULL_RETRY_AFTER_MS)

        padded_bytes = (body_bytes + 7) & ~<uint32_t>7
        at = self.commit.entry_space(
            sizeof(entry_header_t) + padded_bytes + sizeof(reply_t) + IMAGES_BYTES_MAX,
            asked.type == TYPE_REVERSAL)
        if at == NULL:
            if self.commit.journal.disk_full and self.commit.gather.room != ROOM_PLENTY:
                return turned_away(self, out, asked, reply, CODE_DISK_FULL, FULL_RETRY_AFTER_MS)
            return turned_away(self, out, asked, reply, CODE_BUSY, BUSY_RETRY_AFTER_MS)

        # Evaluate: from here on there will be an entry.
        reply.journal_sequence = self.commit.next_sequence
        if late:
            reply.code = CODE_REVERSED_BEFORE
            if asked.type < TYPE_PUT_CARD_TYPE and self.tables.card(keyed.card_number, &account) != NULL:
                show_account(reply, account)
        elif asked.type == TYPE_DEBIT:
            evaluate_debit(self, keyed, today, &decision)
        elif asked.type == TYPE_REVERSAL:
            evaluate_reversal(self, terminal_id, <const reversal_request_t*>body, &decision)
        elif asked.type == TYPE_CREDIT:
            evaluate_credit(self, <const credit_request_t*>body, &decision)
        else:
            evaluate_operator(self.tables, asked.type, body, today, &decision)

        # Journal: what was asked, what was decided, what is so afterwards.
        entry = <entry_header_t*>at
        entry_bytes = <uint32_t>(sizeof(entry_header_t) + padded_bytes + sizeof(reply_t))
        for i in range(<uint32_t>decision.image_count):
            entry_bytes += RECORD_BYTES_OF[decision.images[i][0]]
        memset(entry, 0, sizeof(entry_header_t))
        entry.entry_bytes, entry.sequence, entry.time_ms = entry_bytes, reply.journal_sequence, now_ms
        entry.terminal_id, entry.business_date = terminal_id, today
        entry.request_type, entry.version, entry.image_count = asked.type, ENTRY_VERSION, <uint16_t>decision.image_count
        entry.request_bytes, entry.reply_bytes = <uint16_t>body_bytes, sizeof(reply_t)
        at += sizeof(entry_header_t)
        memcpy(at, body, body_bytes)
        memset(at + body_bytes, 0, padded_bytes - body_bytes)
        at += padded_bytes
        memcpy(at, reply, sizeof(reply_t))
        at += sizeof(reply_t)
        for i in range(<uint32_t>decision.image_count):
            memcpy(at, decision.images[i], RECORD_BYTES_OF[decision.images[i][0]])
            at += RECORD_BYTES_OF[decision.images[i][0]]
        entry.crc32c = c_crc32c(<const uint8_t*>entry + 8, entry_bytes - 8)
        self.entry_position = self.commit.add_entry(entry_bytes, now_ms)
        self.answers.remember(keyed.business_date, key, self.entry_position)
        if decision.marks_original:
            self.answers.note_reversal(decision.original_date, decision.original_key, self.entry_position)
        self.code_counts[reply.code & 255] += 1
        return write_reply(out, asked, reply)

    # -- for recovery, tools and tests; the event loop goes through Link

    def reexecute(self, const uint8_t[::1] entry not None, uint64_t position):
        """Decide a journaled entry's request again, at its time; None when the same bytes result, else the other entry.

        For `verify`: the engine's batch stands in for the block, nothing is written.
        """
        cdef const entry_header_t* header = <const entry_header_t*>&entry[0]
        cdef uint8_t message[65600]
        cdef uint8_t out[256]
        cdef header_t* asked = <header_t*>message
        cdef terminal_record_t* terminal
        cdef uint32_t rights = RIGHTS_ALL
        cdef uint64_t used
        if header.terminal_id:
            terminal = self.tables.terminal(header.terminal_id)
            rights = 0 if terminal == NULL else terminal.rights
        memset(message, 0, sizeof(header_t))
        asked.version, asked.type = PROTOCOL_VERSION, header.request_type
        memcpy(message + sizeof(header_t), &entry[sizeof(entry_header_t)], header.request_bytes)
        self.commit.gather.position = position - sizeof(block_header_t)
        self.commit.gather.used_bytes = sizeof(block_header_t)
        self.commit.gather.entry_count = 0
        self.commit.gather.room = ROOM_PLENTY
        with nogil:
            self.answers.advance(header.business_date)
            self.decide_one(header.terminal_id, rights, message, <uint32_t>(sizeof(header_t) + header.request_bytes),
                            header.time_ms, out)
        used = self.commit.gather.used_bytes - sizeof(block_header_t)
        if used == header.entry_bytes and memcmp(self.commit.gather.block + sizeof(block_header_t), header, used) == 0:
            return None
        return self.commit.gather.block[sizeof(block_header_t):self.commit.gather.used_bytes]

    def decide(self, uint32_t terminal_id, uint32_t rights, const uint8_t[::1] message not None, int64_t now_ms):
        """Decide one plain message (header and body): (plain reply, entry or None). For init, tests and tools."""
        cdef uint8_t out[256]
        cdef uint32_t size
        cdef const entry_header_t* entry
        cdef uint32_t message_bytes = <uint32_t>message.shape[0]
        if message_bytes < sizeof(header_t):
            raise ValueError(f"message: expected at least {sizeof(header_t)} bytes of header, got {message_bytes}")
        if self.commit.gather.used_bytes > self.commit.journal.block_bytes_max // 2:
            self.commit.commit_now()
        with nogil:
            size = self.decide_one(terminal_id, rights, &message[0], message_bytes, now_ms, out)
        if self.entry_position == 0:
            return out[:size], None
        entry = <const entry_header_t*>self.commit.entry_at(self.entry_position)
        return out[:size], (<const uint8_t*>entry)[:entry.entry_bytes]

    @property
    def last_entry_position(self):
        """Journal position of the last decision's entry; 0 when it was not journaled."""
        return self.entry_position

    def date_of(self, int64_t now_ms):
        """Business date of a moment (days since 1970-01-01), not before the last one seen."""
        return max(self.local_date(now_ms), self.answers.today)

    def count(self, uint8_t request_type, uint8_t code):
        """Count a message that the dispatcher has answered."""
        self.type_counts[request_type] += 1
        self.code_counts[code] += 1

    def figures(self):
        """Counters since the start: requests by type, answers by code, repeats."""
        return {"types": {i: self.type_counts[i] for i in range(256) if self.type_counts[i]},
                "codes": {i: self.code_counts[i] for i in range(256) if self.code_counts[i]},
                "repeats": self.repeat_count, "answers": len(self.answers)}
