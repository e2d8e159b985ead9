"""What people do with a document that is there, for pages and the API: the right of its kind is asked for first."""

from __future__ import annotations

from admin.access import Visitor, demand
from admin.references import References
from admin.rights import Action
from admin.service import Service

from .desk import Desk
from .reading import document_seen
from .registry import KINDS

ACTS = ("submit", "withdraw", "approve", "reject", "retry", "undo")


def act_on(
    service: Service, references: References, visitor: Visitor, document_id: int, act: str, answer: str, path: str
) -> int | None:
    """Do one of `ACTS`; number of the document to look at next, another one after `undo`, None for one not seen."""
    desk = Desk(service, references, visitor)
    with service.database.read() as session:
        document = document_seen(session, visitor, document_id)
    if document is None:
        return None
    kind = KINDS[document.kind]
    if act in ("approve", "reject"):
        demand(service, visitor, kind.function, Action.APPROVE, path)
        desk.approve(document_id, answer) if act == "approve" else desk.reject(document_id, answer)
    elif act in ("submit", "retry", "undo"):
        demand(service, visitor, kind.function, kind.action, path)
        if act == "undo":
            return desk.undo(document_id)
        desk.submit(document_id) if act == "submit" else desk.retry(document_id)
    else:
        desk.withdraw(document_id)
    return document_id
