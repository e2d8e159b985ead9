"""The hot decision: bytes of a request in, entry and reply out, no Python object in between.

Owns the road of one message (docs/decision.md, sections 1, 2 and 17); what it
decides on the way lies in a module for each noun: `_sale`, `_value`, `_undo`,
`_points`, `_lifecycle`, `_operators` and others.  The readable form of all of
it is tests/twin.  Reads no clock, no random source, no file but the journal
for repeats and originals.  Invariant: a decision changes tables, window and
batch together, under the mutex of the batch, so the next decision sees all of
it or nothing.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset

from switch._decision cimport ask_t, begin, decision_t, show_account
from switch._entry cimport padded, reply_of, request_of, same_request, sort_images
from switch._evaluate cimport evaluate
from switch._examine cimport CHALLENGE_BYTES, challenges_t, chips_t, examine, find_proof, proof_t
from switch._form cimport evidence_in, fault_t, passes_quarantine, right_needed, well_formed
from switch._index cimport slot_t
from switch._inquiry cimport balance, card_query
from switch._keys cimport BLOCK_BYTES, KeyRing, cmac_of_numbers
from switch._layout cimport *
from switch._original cimport refund_hindrance, reversal_hindrance
from switch._pin cimport active_version, answered_body, hide_pins
from switch._reply cimport write_error, write_reply
from switch._rules cimport Rules
from switch._sale cimport quote, sale_t
from switch._tables cimport Tables
from switch._zone cimport local_ms
from switch.duplicates cimport ANSWERED_AFTER_NOTE, NOTED, POSITION_MASK_LOW, AnswerWindow, answer_key
from switch.group_commit cimport GroupCommit
from switch.journal cimport ROOM_PLENTY

cdef extern from "_crc32c.h" nogil:
    uint32_t c_crc32c "crc32c"(const uint8_t* data, size_t size)

cdef enum:
    MS_PER_DAY = 86400000
    MS_PER_MINUTE = 60000
    MINUTES_PER_DAY = 1440
    RIGHTS_ALL = 63
    RECEIPT_CODE_BYTES = 5
    CUT_OVER_BYTES = 256             # its entry: header, request, reply and the switch record
    CUT_OVER_MESSAGE_BYTES = 32      # header and cut_over_request_t
    # Room asked for before a decision, so that what is decided can be written: replies with all their rows, and images.
    SALE_BYTES_MAX = 40960           # 64 purses, 64 pending records, 16 holds with the limits of their cards
    DESK_BYTES_MAX = 139264          # what a range of cards may change

cdef int64_t STAMP_MS_MAX = 4102444800000        # 2100-01-01: a replay's stamp beyond it is no time of sale


# ------------------------------------------------------------------------ answers without an entry

cdef uint32_t turned_away(Engine engine, uint8_t* out, const header_t* asked, reply_t* reply, uint16_t code,
                          uint32_t retry_after_ms) noexcept nogil:
    """An answer that leaves no trace in the journal."""
    reply.code = code
    reply.retry_after_ms = retry_after_ms
    engine.code_counts[code & 255] += 1
    return write_reply(out, asked, reply, NULL, 0)


# ------------------------------------------------------------------------ the engine

cdef class Engine:
    """State machine of one partition: tables, answers and the batch that is being gathered.

    `zone` is a list of (moment in ms since 1970 UTC, offset from UTC in s from then on), ascending, at least one;
    `last_now_ms` is the time of the last entry before, since a switch's clock never goes back.
    """

    def __cinit__(self, Tables tables not None, AnswerWindow answers not None, GroupCommit commit not None,
                  zone, bint replay_mode, int64_t last_now_ms=0, KeyRing keys=None):
        cdef int i
        self.last_now_ms = last_now_ms
        self.tables = tables
        self.rules = Rules(tables)
        self.rules.compile_all()
        self.answers = answers
        self.commit = commit
        self.replay_mode = replay_mode
        self.places_may_have_changed = True
        self.keys = KeyRing() if keys is None else keys
        self.find_active_keys()
        self.zone.count = len(zone)
        self.zone.starts_ms = <int64_t*>malloc(self.zone.count * sizeof(int64_t))
        self.zone.offsets_s = <int32_t*>malloc(self.zone.count * sizeof(int32_t))
        self.decision = <decision_t*>malloc(sizeof(decision_t))
        self.sale = <sale_t*>malloc(sizeof(sale_t))
        if self.decision == NULL or self.sale == NULL:
            raise MemoryError("engine: no memory for its working space")
        if self.zone.count == 0 or self.zone.starts_ms == NULL or self.zone.offsets_s == NULL:
            raise ValueError("zone: expected at least one (moment_ms, offset_s), got none")
        for i in range(self.zone.count):
            self.zone.starts_ms[i], self.zone.offsets_s[i] = zone[i]

    def __dealloc__(self):
        free(self.zone.starts_ms)
        free(self.zone.offsets_s)
        free(self.decision)
        free(self.sale)

    cdef uint32_t local_date(self, int64_t now_ms) noexcept nogil:
        """Days since 1970-01-01 of a moment in the journal's time zone; a date begins at the cut-over."""
        now_ms = local_ms(&self.zone, now_ms) - <int64_t>self.tables.settings.cut_over_minutes * MS_PER_MINUTE
        return <uint32_t>(now_ms // MS_PER_DAY) if now_ms > 0 else 0

    cdef void fill_ask(self, uint32_t terminal_id, uint32_t rights, int64_t now_ms, uint32_t local_date,
                       uint32_t today) noexcept nogil:
        """Who asks, when and where."""
        cdef ask_t* ask = &self.ask
        ask.rights, ask.now_ms, ask.local_date, ask.today = rights, now_ms, local_date, today
        # A year is added because local time may be below zero where a stamp is not, and C divides towards zero.
        ask.minute = <uint16_t>((local_ms(&self.zone, now_ms) // MS_PER_MINUTE + 366 * MINUTES_PER_DAY)
                                % MINUTES_PER_DAY)
        ask.weekday = <uint8_t>((today + 3) % 7 + 1)     # 1970-01-01 was a Thursday
        self.fill_place(terminal_id)

    cdef void fill_place(self, uint32_t terminal_id) noexcept nogil:
        """Where a terminal stands, and whether it was stopped: kept while it is the same and nothing was changed."""
        cdef ask_t* ask = &self.ask
        cdef const terminal_record_t* terminal
        cdef const store_record_t* store
        if ask.terminal_id == terminal_id and not self.places_may_have_changed:
            return
        ask.terminal_id = terminal_id
        ask.store_id = ask.organisation_id = ask.round_off_minor = 0
        terminal = self.tables.terminal(terminal_id)
        ask.terminal_status = TERMINAL_ACTIVE if terminal == NULL else terminal.status
        if terminal != NULL and terminal.store_id:
            store = self.tables.store(terminal.store_id)
            ask.store_id = terminal.store_id
            if store != NULL:
                ask.organisation_id, ask.round_off_minor = store.organisation_id, store.round_off_minor

    cdef int64_t moment(self, const header_t* asked, const debit_request_t* keyed, int64_t now_ms) noexcept nogil:
        """Now: the switch's clock never goes back; a replay takes the stamp."""
        cdef int64_t stamp_ms
        if self.replay_mode:
            # Inquiries about a card begin with their stamp; a quote is a debit, and begins like one.
            stamp_ms = (keyed.stamp_ms if FORMS[asked.type].keyed or asked.type == TYPE_QUOTE
                        or asked.type == TYPE_PUT_SWITCH else (<const balance_request_t*>keyed).stamp_ms)
            return stamp_ms if 0 <= stamp_ms <= STAMP_MS_MAX else now_ms
        return now_ms if now_ms > self.last_now_ms else self.last_now_ms

    cdef uint32_t answer(self, uint32_t terminal_id, uint32_t rights, const challenges_t* challenges, uint8_t* message,
                         uint32_t message_bytes, proof_t* proof, int64_t now_ms, uint8_t* out) noexcept nogil:
        """Decide one message as it came: its PINs are hidden and its evidence is examined first, in place.

        `proof` is what `find_proof` finds in it; it may have been examined already.
        """
        if not hide_pins(self.tables, self.keys, self.pin_version,
                         answered_body(self.keys, self.answers, self.commit, terminal_id, message, message_bytes),
                         message, message_bytes, proof.evidence != NULL, &proof.fault):
            return self._refuse(out, <const header_t*>message, &proof.fault)
        if proof.evidence != NULL and not proof.is_examined:
            self.examine_proof(terminal_id, challenges, message, message_bytes, proof, now_ms, NULL)
        if proof.is_refused:
            return self._refuse(out, <const header_t*>message, &proof.fault)
        return self._decide(terminal_id, rights, message, message_bytes, proof.evidence, proof.medium, now_ms, out)

    cdef void examine_proof(self, uint32_t terminal_id, const challenges_t* challenges, uint8_t* message,
                            uint32_t message_bytes, proof_t* proof, int64_t now_ms, chips_t* chips) noexcept nogil:
        """Examine evidence at the moment at which its message would be decided now; a chip's may wait in `chips`."""
        examine(self.tables, self.keys, challenges, terminal_id,
                self.moment(<const header_t*>message, <const debit_request_t*>(message + sizeof(header_t)), now_ms),
                message, message_bytes, proof, chips)

    cdef uint32_t _refuse(self, uint8_t* out, const header_t* asked, const fault_t* fault) noexcept nogil:
        """An error reply: the message is not decided, and leaves no trace in the journal."""
        self.entry_position = 0
        self.code_counts[fault.code & 255] += 1
        return write_error(out, asked, fault)

    cdef uint32_t decide_one(self, uint32_t terminal_id, uint32_t rights, const uint8_t* message,
                             uint32_t message_bytes, int64_t now_ms, uint8_t* out) noexcept nogil:
        """Decide one message of at least a header's length, under the mutex. Writes the plain reply, returns its bytes.

        `out` has room for ANSWER_BYTES_MAX. Where the decision was journaled, `entry_position` says so.
        """
        return self._decide(terminal_id, rights, message, message_bytes,
                            evidence_in((<const header_t*>message).type, message + sizeof(header_t),
                                        message_bytes - <uint32_t>sizeof(header_t)), NULL, now_ms, out)

    cdef uint32_t _decide(self, uint32_t terminal_id, uint32_t rights, const uint8_t* message, uint32_t message_bytes,
                          const evidence_t* evidence, medium_record_t* medium, int64_t now_ms,
                          uint8_t* out) noexcept nogil:
        """`decide_one`, of a message whose evidence was found before; and the record of its medium, if it was too."""
        cdef const header_t* asked = <const header_t*>message
        cdef const uint8_t* body = message + sizeof(header_t)
        cdef uint32_t body_bytes = message_bytes - <uint32_t>sizeof(header_t), today, local_date, needed
        cdef const debit_request_t* keyed = <const debit_request_t*>body     # all keyed requests begin alike
        cdef const form_t* form = &FORMS[asked.type]
        cdef fault_t fault
        cdef decision_t* decision = self.decision
        cdef reply_t* reply = &decision.reply
        cdef account_record_t* account = NULL
        cdef slot_t* slot
        cdef uint64_t key
        cdef const entry_header_t* answered
        cdef const reply_t* told
        cdef bint late = False
        cdef uint16_t hindered

        self.entry_position = 0
        self.type_counts[asked.type] += 1
        if not well_formed(terminal_id, message, message_bytes, &fault):
            return self._refuse(out, asked, &fault)
        begin(decision)
        if form.keyed:
            reply.trace_number = keyed.trace_number
        now_ms = self.moment(asked, keyed, now_ms)
        today = local_date = self.local_date(now_ms)
        if today < self.answers.today:
            today = self.answers.today
        reply.business_date = today
        needed = right_needed(asked, body)
        if rights & needed != needed:
            return turned_away(self, out, asked, reply, CODE_NOT_PERMITTED, 0)
        self.fill_place(terminal_id)
        if self.ask.terminal_status == TERMINAL_QUARANTINED and not passes_quarantine(asked.type):
            return turned_away(self, out, asked, reply, CODE_QUARANTINED, 0)
        if today > self.answers.today and not (asked.type == TYPE_CUT_OVER and terminal_id == 0):
            if not self._begin_date(today, now_ms, out):
                begin(decision)
                reply.trace_number = keyed.trace_number if form.keyed else 0
                reply.business_date = self.answers.today
                return self._no_room(out, asked, reply)
            begin(decision)
            medium = NULL                        # whatever the new date has done with it: look again
            self.entry_position = 0
            reply.trace_number = keyed.trace_number if form.keyed else 0
            reply.business_date = today
        self.last_now_ms = now_ms
        self.answers.advance(today)
        self.fill_ask(terminal_id, rights, now_ms, local_date, today)
        # Whatever an operator changes, the next message looks its terminal's place up again.
        self.places_may_have_changed = asked.type >= TYPE_PUT_CARD_TYPE
        self.ask.evidence, self.ask.medium = evidence, medium

        if not form.keyed and asked.type != TYPE_PUT_SWITCH:
            if asked.type == TYPE_BALANCE:
                balance(self.tables, &self.ask, <const balance_request_t*>body, decision)
            elif asked.type == TYPE_CARD_QUERY:
                card_query(self.tables, &self.ask, <const card_query_request_t*>body, decision)
            else:
                quote(self.tables, self.rules, &self.ask, keyed, self.sale, decision)
            self.code_counts[reply.code & 255] += 1
            return write_reply(out, asked, reply, decision.more, decision.more_bytes)

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
                told = reply_of(answered)
                return write_reply(out, asked, told, <const uint8_t*>told + sizeof(reply_t),
                                   answered.reply_bytes - <uint32_t>sizeof(reply_t))
        elif self.answers.full(keyed.business_date):
            return turned_away(self, out, asked, reply, CODE_WINDOW_FULL, FULL_RETRY_AFTER_MS)
        elif asked.type == TYPE_REVERSAL or asked.type == TYPE_REFUND:
            hindered = (reversal_hindrance(self.answers, self.commit, terminal_id, <const reversal_request_t*>body)
                        if asked.type == TYPE_REVERSAL
                        else refund_hindrance(self.commit, <const refund_request_t*>body))
            if hindered:
                return turned_away(self, out, asked, reply, hindered, FULL_RETRY_AFTER_MS)

        if self.commit.entry_space(sizeof(entry_header_t) + body_bytes + 8
                                   + (DESK_BYTES_MAX if asked.type == TYPE_OPERATE_CARD else SALE_BYTES_MAX),
                                   asked.type == TYPE_REVERSAL) == NULL:
            return self._no_room(out, asked, reply)

        # Evaluate: from here on there will be an entry.
        reply.journal_sequence = self.commit.next_sequence
        if late:
            reply.code = CODE_REVERSED_BEFORE
            if asked.type < TYPE_PUT_CARD_TYPE and form.has_card:
                if self.tables.card(keyed.card_number, &account) != NULL and account != NULL:
                    show_account(reply, account)
        else:
            evaluate(self.tables, self.rules, self.answers, self.commit, &self.ask, asked.type, body, self.sale,
                     decision)
            if reply.code == CODE_BUSY:          # a day close could not read the journal; it has changed nothing
                reply.journal_sequence = 0
                return turned_away(self, out, asked, reply, CODE_BUSY, BUSY_RETRY_AFTER_MS)
        self.places_may_have_changed |= decision.changes_place
        if asked.type < TYPE_PUT_CARD_TYPE and (reply.code == CODE_APPROVED or reply.code == CODE_PARTIAL):
            self.give_receipt_code()
        elif asked.type == TYPE_PUT_KEY:
            self.find_active_keys()
        self._journal(asked.type, body, body_bytes, keyed)
        self.answers.remember(keyed.business_date, key, self.entry_position)
        if decision.marks_original:
            self.answers.note_reversal(decision.original_date, decision.original_key, self.entry_position)
        if asked.type == TYPE_CUT_OVER and reply.code == CODE_APPROVED:
            self.answers.advance((<const cut_over_request_t*>body).next_date)
        self.code_counts[reply.code & 255] += 1
        return write_reply(out, asked, reply, decision.more, decision.more_bytes)

    cdef void give_receipt_code(self) noexcept nogil:
        """Forty bits that only this switch could have put on a receipt: section 18 of docs/decision.md."""
        cdef reply_t* reply = &self.decision.reply
        cdef uint64_t numbers[2]
        cdef uint8_t code[BLOCK_BYTES]
        cdef int i
        if self.told_before != NULL:
            reply.receipt_code = self.told_before.receipt_code
        elif self.receipt_version:
            numbers[0], numbers[1] = reply.journal_sequence, <uint64_t>reply.amount_minor
            cmac_of_numbers(self.keys.masters[PURPOSE_RECEIPT][self.receipt_version], numbers, 1, True, code)
            for i in range(RECEIPT_CODE_BYTES):
                reply.receipt_code = reply.receipt_code << 8 | code[i]

    cdef void find_active_keys(self) noexcept nogil:
        cdef uint32_t receipt = active_version(self.tables, PURPOSE_RECEIPT)
        cdef uint32_t pin = active_version(self.tables, PURPOSE_PIN)
        self.receipt_version = receipt if self.keys.masters[PURPOSE_RECEIPT][receipt] != NULL else 0
        self.pin_version = pin if self.keys.pin_sealers[pin] != NULL else 0

    cdef void _journal(self, uint8_t request_type, const uint8_t* body, uint32_t body_bytes,
                       const debit_request_t* keyed) noexcept nogil:
        """Write the entry: what was asked, what was decided, what is so afterwards."""
        cdef decision_t* decision = self.decision
        cdef uint8_t* at = self.commit.entry_space(0, True)
        cdef entry_header_t* entry = <entry_header_t*>at
        cdef uint32_t reply_bytes = <uint32_t>sizeof(reply_t) + decision.more_bytes, i, width_bytes
        cdef account_record_t* account = NULL
        cdef const card_record_t* card
        sort_images(decision)
        memset(entry, 0, sizeof(entry_header_t))
        entry.sequence, entry.time_ms = decision.reply.journal_sequence, self.ask.now_ms
        entry.terminal_id, entry.business_date = self.ask.terminal_id, self.ask.today
        entry.request_type, entry.version = request_type, ENTRY_VERSION
        entry.image_count = <uint16_t>decision.image_count
        entry.request_bytes, entry.reply_bytes = <uint16_t>body_bytes, <uint16_t>reply_bytes
        entry.accepting_organisation_id = self.ask.organisation_id
        if FORMS[request_type].has_card and (request_type != TYPE_DEBIT or decision.reply.code == CODE_REVERSED_BEFORE):
            card = self.tables.card(keyed.card_number, &account)
            if card != NULL:
                decision.issuing_organisation_id = card.issuing_organisation_id
        entry.issuing_organisation_id = decision.issuing_organisation_id
        at += sizeof(entry_header_t)
        memcpy(at, body, body_bytes)
        at = padded(at, body_bytes)
        memcpy(at, &decision.reply, sizeof(reply_t))
        memcpy(at + sizeof(reply_t), decision.more, decision.more_bytes)
        at = padded(at, reply_bytes)
        for i in range(decision.image_count):
            width_bytes = RECORD_BYTES_OF[decision.images[i][0]]
            memcpy(at, decision.images[i], width_bytes)
            at += width_bytes
            if decision.images[i][0] >= FIRST_WIDE_KEY_KIND and decision.images[i][2] == GONE:
                self.tables.forget(decision.images[i])
        entry.entry_bytes = <uint32_t>(at - <uint8_t*>entry)
        entry.crc32c = c_crc32c(<const uint8_t*>entry + 8, entry.entry_bytes - 8)
        self.entry_position = self.commit.add_entry(entry.entry_bytes, self.ask.now_ms)

    cdef bint _begin_date(self, uint32_t today, int64_t now_ms, uint8_t* out) noexcept nogil:
        """Write the switch's own cut-over entry; False when there is no room for it."""
        cdef uint8_t message[CUT_OVER_MESSAGE_BYTES]
        cdef header_t* header = <header_t*>message
        cdef cut_over_request_t* request = <cut_over_request_t*>(message + sizeof(header_t))
        if self.commit.entry_space(CUT_OVER_BYTES, False) == NULL:
            return False
        memset(message, 0, CUT_OVER_MESSAGE_BYTES)
        header.version, header.type = PROTOCOL_VERSION, TYPE_CUT_OVER
        request.trace_number = request.business_date = request.next_date = today
        request.stamp_ms = now_ms
        self.answers.advance(today)
        self.decide_one(0, RIGHTS_ALL, message, CUT_OVER_MESSAGE_BYTES, now_ms, out)
        return True

    cdef uint32_t _no_room(self, uint8_t* out, const header_t* asked, reply_t* reply) noexcept nogil:
        if self.commit.journal.disk_full and self.commit.gather.room != ROOM_PLENTY:
            return turned_away(self, out, asked, reply, CODE_DISK_FULL, FULL_RETRY_AFTER_MS)
        return turned_away(self, out, asked, reply, CODE_BUSY, BUSY_RETRY_AFTER_MS)

    # -- for recovery, tools and tests; the event loop goes through Link

    def reexecute(self, const uint8_t[::1] entry not None, uint64_t position):
        """Decide a journaled entry's request again, at its time; None when the same bytes result, else the other entry.

        For `verify`: the engine's batch stands in for the block, nothing is written.
        """
        cdef const entry_header_t* header = <const entry_header_t*>&entry[0]
        cdef uint8_t message[65600]
        cdef uint8_t out[ANSWER_BYTES_MAX]
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
        self.told_before = reply_of(header)
        with nogil:
            self.answers.advance(header.business_date)
            self.decide_one(header.terminal_id, rights, message, <uint32_t>(sizeof(header_t) + header.request_bytes),
                            header.time_ms, out)
        self.told_before = NULL
        used = self.commit.gather.used_bytes - sizeof(block_header_t)
        if used == header.entry_bytes and memcmp(self.commit.gather.block + sizeof(block_header_t), header, used) == 0:
            return None
        return self.commit.gather.block[sizeof(block_header_t):self.commit.gather.used_bytes]

    def decide(self, uint32_t terminal_id, uint32_t rights, const uint8_t[::1] message not None, int64_t now_ms):
        """Decide one plain message (header and body) whose PINs are hidden already. For init, tests and tools.

        Returns the plain reply and what was journaled, or None: the message's entry, behind a cut-over's if any.
        """
        cdef uint8_t out[ANSWER_BYTES_MAX]
        cdef uint32_t size, used_bytes
        cdef uint32_t message_bytes = <uint32_t>message.shape[0]
        if message_bytes < sizeof(header_t):
            raise ValueError(f"message: expected at least {sizeof(header_t)} bytes of header, got {message_bytes}")
        if self.commit.gather.used_bytes > self.commit.journal.block_bytes_max // 2:
            self.commit.commit_now()
        used_bytes = self.commit.gather.used_bytes
        with nogil:
            size = self.decide_one(terminal_id, rights, &message[0], message_bytes, now_ms, out)
        return out[:size], self.commit.gather.block[used_bytes:self.commit.gather.used_bytes] or None

    def prepare(self, uint32_t terminal_id, const uint8_t[::1] message not None, int64_t now_ms,
                bytes challenge=bytes(CHALLENGE_BYTES), bytes previous=bytes(CHALLENGE_BYTES)):
        """A plain message with its PINs hidden and its evidence examined, as it would be decided; None when refused."""
        cdef challenges_t challenges
        cdef proof_t proof
        cdef uint32_t size
        cdef bytearray prepared = bytearray(message)
        cdef uint8_t[::1] view = prepared
        if message.shape[0] < <Py_ssize_t>sizeof(header_t) or len(challenge) != 8 or len(previous) != 8:
            raise ValueError("prepare: expected a message with a header, and challenges of 8 bytes")
        memcpy(challenges.current, <const uint8_t*>challenge, CHALLENGE_BYTES)
        memcpy(challenges.previous, <const uint8_t*>previous, CHALLENGE_BYTES)
        size = <uint32_t>message.shape[0]
        find_proof(self.tables, &view[0], size, &proof)
        if not hide_pins(self.tables, self.keys, self.pin_version, NULL, &view[0], size, proof.evidence != NULL,
                         &proof.fault):
            return None
        if proof.evidence != NULL:
            examine(self.tables, self.keys, &challenges, terminal_id, now_ms, &view[0], size, &proof, NULL)
        return None if proof.is_refused else bytes(prepared)

    def answered(self, uint32_t terminal_id, uint32_t business_date, uint32_t trace_number):
        """(type, body) of the request that was answered under this key, as journaled; None when there is none."""
        cdef const entry_header_t* entry
        cdef const uint8_t* request
        cdef slot_t* slot
        if not self.answers.covers(business_date):
            return None
        slot = self.answers.find(business_date, answer_key(terminal_id, trace_number))
        if slot == NULL:
            return None
        entry = <const entry_header_t*>self.commit.entry_at(slot.value & ~<uint64_t>POSITION_MASK_LOW)
        if entry == NULL:  # the journal cannot be read just now: the decision says BUSY
            return None
        request = request_of(entry)
        return entry.request_type, request[:entry.request_bytes]

    def keys_changed(self):
        """Keys were loaded or forgotten beside the decision's messages."""
        self.find_active_keys()

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
