"""The key file of a new terminal: kept sealed for a while, handed out once, to whoever made the terminal."""

from __future__ import annotations

from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.models.documents import Document, DocumentState
from admin.models.security import TerminalKeyFile
from admin.service import Service
from admin.switch_link import TerminalKey

from .bodies import open_body
from .terminal_kinds import KEY_FILE_KEPT, KEY_FILE_PURPOSE


def has_key_file(session: Session, service: Service, visitor: Visitor, terminal_id: int) -> bool:
    """Whether the visitor may fetch the terminal's key file."""
    file = session.get(TerminalKeyFile, terminal_id)
    return file is not None and _may_fetch(session, service, visitor, file)


def take_key_file(service: Service, visitor: Visitor, terminal_id: int) -> TerminalKey:
    """The key of a new terminal; afterwards nobody has it but the switch.  `RefusedError`: there is none to fetch."""
    with service.database.write() as session:
        file = session.get(TerminalKeyFile, terminal_id, with_for_update=True)
        if file is None or not _may_fetch(session, service, visitor, file):
            raise RefusedError("There is no key file to fetch: it is handed out once, to whoever made the terminal.")
        key = open_body(service, file.sealed_key, file.document_id, terminal_id, KEY_FILE_PURPOSE)
        session.delete(file)
        service.audit.append(session, visitor, "terminals", "key file", f"terminal {terminal_id}")
    return TerminalKey(terminal_id, key.hex())


def _may_fetch(session: Session, service: Service, visitor: Visitor, file: TerminalKeyFile) -> bool:
    document = session.get(Document, file.document_id)
    return (
        document is not None
        and document.state == DocumentState.DONE
        and file.maker_id == visitor.user_id
        and service.now() - file.made_at < KEY_FILE_KEPT
    )
