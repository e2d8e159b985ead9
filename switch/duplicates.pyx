"""What became of each request of the current and the previous business date.

Owns the index from a request's key (terminal, business date, trace number) to
the journal position of the entry that answers it, and, for the day close, the
list of each terminal's answers.  Never holds an answer: the entry in the
journal is the answer.  Invariant: a key found here was journaled
before, so its request is never evaluated again; a date that has left the
window is refused before anyone asks here.
"""

from libc.stdint cimport uint32_t, uint64_t

from switch._answer_log cimport AnswerLog, answered_t
from switch._index cimport GrowingIndex, slot_t


cdef class AnswerWindow:
    """Answers of two business dates, at most `answers_per_date_max` each (37 to 59 bytes of memory per answer)."""

    def __cinit__(self, uint64_t answers_per_date_max):
        self.answers_per_date_max = answers_per_date_max
        self.today = 0
        self.current = GrowingIndex()
        self.previous = GrowingIndex()
        self.current_log = AnswerLog(answers_per_date_max)
        self.previous_log = AnswerLog(answers_per_date_max)

    def __len__(self):
        return self.current.count + self.previous.count

    def start_at(self, uint32_t today):
        """Begin with a business date; the window is empty."""
        self._advance(today)

    cdef void advance(self, uint32_t today) noexcept nogil:
        """Move the window on; a date never goes back, so an earlier one changes nothing."""
        if today > self.today:
            with gil:
                self._advance(today)

    def _advance(self, uint32_t today):
        if today == self.today + 1:
            self.current, self.previous = self.previous, self.current
            self.current_log, self.previous_log = self.previous_log, self.current_log
        else:
            self.previous.clear()
            self.previous_log.clear()
        self.current.clear()
        self.current_log.clear()
        self.today = today

    cdef bint covers(self, uint32_t business_date) noexcept nogil:
        return business_date == self.today or (business_date + 1 == self.today and self.today > 0)

    cdef GrowingIndex of_date(self, uint32_t business_date):
        return self.current if business_date == self.today else self.previous

    def positions_of(self, uint32_t business_date, uint32_t terminal_id):
        """Journal positions of the entries that answered a terminal's requests of a date, in the order of answering."""
        cdef const answered_t* answer
        positions = []
        answer = self.newest_of(business_date, terminal_id)
        while answer != NULL:
            positions.append(answer.position)
            answer = self.before(business_date, answer)
        positions.reverse()
        return positions

    cdef const answered_t* newest_of(self, uint32_t business_date, uint32_t terminal_id) noexcept nogil:
        """A terminal's last answer of a date; NULL when it has none. For `before`, until the next answer comes."""
        if business_date == self.today:
            return self.current_log.newest_of(terminal_id)
        if not self.covers(business_date):
            return NULL
        return self.previous_log.newest_of(terminal_id)

    cdef const answered_t* before(self, uint32_t business_date, const answered_t* answer) noexcept nogil:
        """The same terminal's answer before this one; NULL when it was the first."""
        if business_date == self.today:
            return self.current_log.place(answer.previous_plus_one)
        return self.previous_log.place(answer.previous_plus_one)

    cdef slot_t* find(self, uint32_t business_date, uint64_t key) noexcept nogil:
        if business_date == self.today:
            return self.current.find(key)
        return self.previous.find(key)

    cdef void prefetch(self, uint32_t business_date, uint64_t key) noexcept nogil:
        if business_date == self.today:
            self.current.prefetch(key)
        else:
            self.previous.prefetch(key)

    cdef uint64_t count_of(self, uint32_t business_date) noexcept nogil:
        return self.current.count if business_date == self.today else self.previous.count

    cdef bint full(self, uint32_t business_date) noexcept nogil:
        return self.count_of(business_date) >= self.answers_per_date_max

    cdef int remember(self, uint32_t business_date, uint64_t key, uint64_t position) noexcept nogil:
        """The entry at `position` answers the key. A second time changes nothing. Returns -1 without memory."""
        cdef slot_t* slot
        if not self.covers(business_date):
            return 0
        slot = self.find(business_date, key)
        if slot == NULL:
            if business_date == self.today:
                slot = self.current.insert(key, position)
            else:
                slot = self.previous.insert(key, position)
            return self._list(business_date, key, position) if slot != NULL else -1
        if slot.value & NOTED:
            if slot.value & ANSWERED_AFTER_NOTE:
                return 0
            slot.value = position | NOTED | ANSWERED_AFTER_NOTE
            return self._list(business_date, key, position)
        return 0

    cdef int _list(self, uint32_t business_date, uint64_t key, uint64_t position) noexcept nogil:
        if business_date == self.today:
            return self.current_log.append(key, position)
        return self.previous_log.append(key, position)

    cdef int note_reversal(self, uint32_t business_date, uint64_t key, uint64_t position) noexcept nogil:
        """A reversal (its entry is at `position`) has undone the key, or came before it. Twice is as once."""
        cdef slot_t* slot
        if not self.covers(business_date):
            return 0
        slot = self.find(business_date, key)
        if slot != NULL:
            slot.value |= REVERSED
            return 0
        if business_date == self.today:
            slot = self.current.insert(key, position | NOTED)
        else:
            slot = self.previous.insert(key, position | NOTED)
        return 0 if slot != NULL else -1
