"""Asking a query, the same way from its page, its files and the interface: looks and exports are noted."""

from __future__ import annotations

from dataclasses import dataclass

from admin.access import Visitor
from admin.i18n import translate
from admin.members.today import today_of
from admin.members.totals import catch_up
from admin.references import References
from admin.reports.asking import ReportFile, note_look, table_file
from admin.reports.report import Parameters, Report, Scope
from admin.reports.running import ROWS_EXPORTED_MAX, Outcome, Runner, Tick, scope_of
from admin.rights import Action
from admin.service import Service

from .building import built, in_words, subject_of, without_card_numbers
from .definition import Definition, address_of
from .fields import QueryContext
from .registry import SUBJECTS


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and what it takes to answer him."""

    service: Service
    runner: Runner
    references: References
    visitor: Visitor

    def context(self, scope: Scope) -> QueryContext:
        """Who asks, on one state of the database."""
        today = today_of(scope.session, self.service)
        return QueryContext(scope.session, self.visitor, self.references, scope, today)

    def checked(self, definition: Definition) -> Definition:
        """A definition that can be built, without card numbers; `RefusedError` says what is wrong."""
        with self.service.database.read() as session:
            context = self.context(scope_of(session, self.visitor))
            definition = without_card_numbers(definition, context)
            built(definition, context)
        return definition

    def note_numbers(self, definition: Definition) -> None:
        """Note that somebody looks at a whole card number in a query's conditions, if he may see it."""
        has_cards = any(self.references.read(term.value) is not None for term in definition.terms)
        if has_cards and self.visitor.may("cards", Action.SEE_UNMASKED):
            self.service.audit.looked(self.visitor, "reports", "query: conditions")

    def words(self, definition: Definition) -> list[str]:
        """The conditions in the language of the request, for reading; a look at a whole card number is noted."""
        self.note_numbers(definition)
        with self.service.database.read() as session:
            context = self.context(scope_of(session, self.visitor))
            return [f"{translate(label)} {text}" for label, text in in_words(definition, context)]

    def run(
        self, definition: Definition, label: str, rows_max: int, *, is_only_short: bool = False
    ) -> tuple[Report, Outcome]:
        """What a query comes to; `RefusedError` says which part of it is wrong. A look at whole numbers is noted."""
        subject = SUBJECTS.get(definition.subject)
        if subject is not None and subject.needs_sums:
            catch_up(self.service.database)

        def build(scope: Scope) -> tuple[Report, Parameters]:
            return built(definition, self.context(scope), label=label), Parameters()

        report, outcome = self.runner.run_built(self.visitor, build, rows_max, is_only_short=is_only_short)
        note_look(self.service, self.visitor, report, outcome)
        return report, outcome

    def file(
        self, definition: Definition, suffix: str, *, rows_max: int | None = None, tick: Tick | None = None
    ) -> ReportFile | None:
        """The whole table as `xlsx` or `csv`; noted as an export. None when it has more than `rows_max` rows."""
        with self.service.database.read() as session:
            context = self.context(scope_of(session, self.visitor))
            definition = without_card_numbers(definition, context)
            subject = subject_of(definition, context)
            described = [(translate(label), text) for label, text in in_words(definition, context)]
        is_only_short, rows_max = rows_max is not None, rows_max or ROWS_EXPORTED_MAX
        report, outcome = self.run(definition, subject.label, rows_max, is_only_short=is_only_short)
        if not outcome.has_sums:
            return None
        address = address_of(definition)
        return table_file(self.service, self.visitor, report, outcome, suffix, described, address, tick=tick)
