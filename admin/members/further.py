"""Further ways to reach a member, besides those of the record itself."""

from __future__ import annotations

from sqlalchemy import select

from admin.access import Visitor
from admin.errors import RefusedError
from admin.models.members import ContactKind, MemberContact
from admin.service import Service

from .drafts import FIRST_FURTHER_PLACE
from .identity import read_email, read_phone
from .keys import keys_of
from .records import findable_of, lock_members, member_to_change, replace_keys
from .seals import Vault

MODULE = "members"
CONTACTS_MAX = 20


def put_contact(
    service: Service, visitor: Visitor, member_id: int, *, place: int, kind: str, text: str, note: str
) -> None:
    """Add a telephone number or e-mail address (place 0), or remove the one at a place (no text)."""
    vault = Vault(service)
    with service.database.write() as session:
        lock_members(service, session)
        member = member_to_change(session, visitor, member_id)
        old_keys = keys_of(vault, findable_of(session, vault, member))
        rows = session.scalars(select(MemberContact).where(MemberContact.member_id == member_id)).all()
        if place:
            row = next((one for one in rows if one.place == place >= FIRST_FURTHER_PLACE), None)
            if row is None:
                raise RefusedError("There is no such contact.")
            session.delete(row)
        else:
            if kind not in list(ContactKind):
                raise RefusedError("Choose a kind of the list.")
            value = read_email(text) if kind == ContactKind.EMAIL else read_phone(text)
            if value is None:
                raise RefusedError("A telephone number or an address such as name@example.com is expected.")
            if len(rows) >= CONTACTS_MAX:
                raise RefusedError("At most {most} contacts.", most=CONTACTS_MAX)
            place = max([FIRST_FURTHER_PLACE - 1, *(one.place for one in rows)]) + 1
            session.add(
                MemberContact(
                    member_id=member_id,
                    place=place,
                    kind=kind,
                    value_sealed=vault.seal_contact(member_id, place, value),
                    is_preferred=False,
                    note=note.strip()[:200],
                )
            )
        session.flush()
        replace_keys(session, member_id, old_keys, keys_of(vault, findable_of(session, vault, member)))
        service.audit.append(session, visitor, MODULE, "change contact", f"member {member_id}", place=place)
