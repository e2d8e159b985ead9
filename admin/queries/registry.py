"""All kinds of records that may be asked for.  A further one is a `Subject` in a module of its own, in this list."""

from __future__ import annotations

from . import ledger_subjects, people_subjects, record_subjects
from .fields import Subject

MODULES = (people_subjects, ledger_subjects, record_subjects)
SUBJECTS: dict[str, Subject] = {subject.name: subject for module in MODULES for subject in module.SUBJECTS}
