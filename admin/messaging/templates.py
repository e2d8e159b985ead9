"""Templates: texts that are used again; and the words that must not be sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from sqlalchemy import ColumnElement, Select, or_, select, true
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.forms import entry
from admin.models.journeys import JourneyStep
from admin.models.messaging import NAME_LENGTH_MAX, MessageGateway, MessageTemplate, MessageWord
from admin.models.people import WHOLE_GROUP
from admin.service import Service

from .merging import fields_in
from .text import TEXT_LENGTH_MAX, WORD_LENGTH_MAX, composed, faults_in

_ = str
MODULE = "messages"
TEMPLATES_MAX = 500
WORDS_MAX = 2_000


class TemplateForm(msgspec.Struct, frozen=True, kw_only=True):
    """A template."""

    name: Annotated[str, entry(_("Name"), min_length=1, max_length=NAME_LENGTH_MAX)]
    body: Annotated[str, entry(_("Message text"), "area", min_length=1, max_length=TEXT_LENGTH_MAX)]
    is_offered: Annotated[bool, entry(_("Offered when a message is written"), "check")] = True


def is_template_seen(visitor: Visitor) -> ColumnElement[bool]:
    """Condition on templates: those of the visitor's part and of the whole group."""
    if visitor.sees_everything:
        return true()
    return or_(
        MessageTemplate.organisation_id == WHOLE_GROUP,
        MessageTemplate.organisation_id.in_(visitor.organisation_ids),
    )


def templates_seen(visitor: Visitor, *, is_offered: bool = False) -> Select[Any]:
    """Templates that the visitor may use, by name."""
    query = select(MessageTemplate).where(is_template_seen(visitor)).order_by(MessageTemplate.name, MessageTemplate.id)
    return query.where(MessageTemplate.is_offered) if is_offered else query


def template_seen(session: Session, visitor: Visitor, template_id: int) -> MessageTemplate | None:
    """A template, when the visitor may use it."""
    found: MessageTemplate | None = session.scalar(templates_seen(visitor).where(MessageTemplate.id == template_id))
    return found


def save_template(service: Service, visitor: Visitor, form: TemplateForm, template_id: int = 0) -> int:
    """Make a template, or change one of the visitor's own part; its number."""
    name, body = form.name.strip(), composed(form.body)
    fields_in(body)
    with service.database.write() as session:
        refuse_faults(session, body)
        row = template_to_change(session, visitor, template_id) if template_id else None
        before = {"name": row.name, "body": row.body} if row else None
        if row is None:
            if len(session.scalars(select(MessageTemplate.id).limit(TEMPLATES_MAX)).all()) >= TEMPLATES_MAX:
                raise RefusedError("{count} templates are enough; change those that are not used.", count=TEMPLATES_MAX)
            row = MessageTemplate(organisation_id=visitor.organisation_id)
        twin = select(MessageTemplate.id).where(
            MessageTemplate.name == name,
            MessageTemplate.organisation_id == row.organisation_id,
            MessageTemplate.id != template_id,
        )
        if session.scalar(twin) is not None:
            raise RefusedError("There is a template with this name already.")
        row.name, row.body, row.is_offered = name, body, form.is_offered
        row.changed_at, row.changed_by = service.now(), visitor.user_id
        session.add(row)
        session.flush()
        after = {"name": name, "body": body, "offered": form.is_offered}
        service.audit.append(
            session, visitor, MODULE, "save template", f"template {row.id}", before=before, after=after
        )
        return row.id


def delete_template(service: Service, visitor: Visitor, template_id: int) -> None:
    """Remove a template; what was sent by it stays as it is."""
    with service.database.write() as session:
        row = template_to_change(session, visitor, template_id)
        used = session.scalar(select(MessageGateway.id).where(MessageGateway.purchase_template_id == template_id))
        if used is not None:
            raise RefusedError("This template is what members get after a purchase: choose another one there first.")
        journey = select(JourneyStep.journey_id).where(JourneyStep.template_id == template_id).limit(1)
        if (number := session.scalar(journey)) is not None:
            raise RefusedError("Journey {number} sends this template: it stays.", number=number)
        before = {"name": row.name, "body": row.body}
        session.delete(row)
        service.audit.append(session, visitor, MODULE, "delete template", f"template {template_id}", before=before)


def template_to_change(session: Session, visitor: Visitor, template_id: int) -> MessageTemplate:
    """A template of the visitor's own part; `RefusedError` for others."""
    row = template_seen(session, visitor, template_id)
    if row is None:
        raise RefusedError("There is no such template.")
    if not visitor.may_place_in(row.organisation_id):
        raise RefusedError("This template belongs to headquarters: make one of your own.")
    return row


def words_of(session: Session) -> Sequence[str]:
    """Words that must not be sent."""
    return session.scalars(select(MessageWord.word).order_by(MessageWord.word)).all()


def refuse_faults(session: Session, text: str) -> None:
    """Go on only with a text that may be sent; what must not be in it is named."""
    if faults := faults_in(text, words_of(session)):
        raise RefusedError(
            "This must not be sent: {faults}.", faults=", ".join(dict.fromkeys(fault.shown for fault in faults[:10]))
        )


def put_words(service: Service, visitor: Visitor, text: str) -> int:
    """Make the words of a text, one a line, those that must not be sent; how many they are."""
    wanted = list(dict.fromkeys(line.strip() for line in composed(text).splitlines() if line.strip()))
    if len(wanted) > WORDS_MAX or any(len(word) > WORD_LENGTH_MAX for word in wanted):
        raise RefusedError(
            "At most {most} words of at most {length} characters.", most=WORDS_MAX, length=WORD_LENGTH_MAX
        )
    with service.database.write() as session:
        known = {row.word: row for row in session.scalars(select(MessageWord))}
        for word, row in known.items():
            if word not in wanted:
                session.delete(row)
        added = [word for word in wanted if word not in known]
        session.add_all(MessageWord(word=word, added_at=service.now(), added_by=visitor.user_id) for word in added)
        removed = sorted(known.keys() - set(wanted))
        service.audit.append(session, visitor, MODULE, "change words", "", added=added[:50], removed=removed[:50])
    return len(wanted)
