"""Designs and promotions: kept, approved by a second person, stopped; and the one document that tills fetch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.figures import newest_date
from admin.forms import FormContext, entry
from admin.i18n import translate
from admin.members.groups import GONE, group_seen, groups_seen, members_of_group
from admin.models.faces import TEXT_LENGTH_MAX, CardFace, CardPromotion, FaceState
from admin.models.members import Member
from admin.models.mirror import card_types
from admin.service import Service
from switch.protocol.card_terms import Medium

from .design import FaceItem, checked_items

MODULE = "card-types"
FORMAT = 1
MEMBERS_MAX = 10_000
"""Of a group with a text of its own: the document that tills fetch names each."""
PROMOTIONS_MAX = 200
_ = str


def visual_types(session: Session) -> dict[int, str]:
    """Card types whose cards have a face that is rewritten: code and name."""
    query = select(card_types.c.code, func.max(card_types.c.name)).where(card_types.c.medium == int(Medium.VISUAL))
    rows = session.execute(query.group_by(card_types.c.code).order_by(card_types.c.code))
    return {code: f"{code} {name}".strip() for code, name in rows}


def type_choices(context: FormContext) -> dict[int | str, str]:
    """Types with a face, and all of them."""
    types: dict[int | str, str] = {0: translate("All types")}
    return types | dict(visual_types(context.session))


def group_choices(context: FormContext) -> dict[int | str, str]:
    """Groups of members that the visitor sees, and everybody."""
    found = context.session.scalars(groups_seen(context.visitor))
    return {0: translate("Everybody"), **{group.id: group.name for group in found}}


class PromotionForm(msgspec.Struct, frozen=True, kw_only=True):
    """A text on the faces of cards."""

    text: Annotated[
        str,
        entry(
            _("Text on the card"), min_length=1, max_length=TEXT_LENGTH_MAX, hint=_("On the next card that is printed.")
        ),
    ]
    group: Annotated[int, entry(_("Group of members"), "choice", choices=group_choices)] = 0
    level: Annotated[int, entry(_("Level"), "integer", ge=0, le=255, hint=_("0: all levels."))] = 0
    card_type: Annotated[int, entry(_("Card type"), "choice", choices=type_choices)] = 0
    from_date: Annotated[int, entry(_("First day"), "date", hint=_("Empty: from now on."))] = 0
    until_date: Annotated[int, entry(_("Last day"), "date", hint=_("Empty: until it is stopped."))] = 0

    def problems(self) -> Iterator[tuple[str, str]]:
        """What spans fields."""
        if self.until_date and self.until_date < self.from_date:
            yield "until_date", translate("The last day is before the first.")


# ------------------------------------------------------------------------- designs


def faces_page(session: Session, before: int | None, limit: int) -> Sequence[CardFace]:
    """Versions, newest first; one more than `limit` where there are more."""
    query = select(CardFace).order_by(CardFace.id.desc()).limit(limit + 1)
    return session.scalars(query if before is None else query.where(CardFace.id < before)).all()


def face_of(session: Session, face_id: int) -> CardFace | None:
    """One version."""
    return session.get(CardFace, face_id)


def items_of(face: CardFace) -> tuple[FaceItem, ...]:
    """The items of a version."""
    return msgspec.json.decode(face.items, type=tuple[FaceItem, ...])


def in_force(session: Session, card_type: int) -> CardFace | None:
    """The version that the next print uses: the newest that is approved."""
    found: CardFace | None = session.scalar(
        select(CardFace)
        .where(CardFace.card_type == card_type, CardFace.state == FaceState.APPROVED)
        .order_by(CardFace.version.desc())
        .limit(1)
    )
    return found


def save_face(service: Service, visitor: Visitor, card_type: int, items: Sequence[FaceItem], face_id: int = 0) -> int:
    """Keep a draft: a new version of a type, or its own anew; its number. `RefusedError` for what cannot be printed."""
    found = checked_items(items)
    with service.database.write() as session:
        if face_id:
            face = session.get(CardFace, face_id)
            if face is None:
                raise RefusedError("There is no such design.")
            if face.state != FaceState.DRAFT:
                raise RefusedError("This version is approved and stays as it is: make a new one of it.")
        else:
            if card_type not in visual_types(session):
                raise RefusedError("Only cards with a rewritable face have a design: choose that medium for the type.")
            last = session.scalar(select(func.max(CardFace.version)).where(CardFace.card_type == card_type)) or 0
            face = CardFace(card_type=card_type, version=last + 1, state=FaceState.DRAFT, made_at=service.now())
            session.add(face)
        face.author_id = visitor.user_id
        face.items = msgspec.json.encode(found).decode()
        session.flush()
        _note(service, session, visitor, "change-face" if face_id else "add-face", face, items=len(found))
        return face.id


def approve_face(service: Service, visitor: Visitor, face_id: int) -> None:
    """A second person agrees: from now on tills print it. `RefusedError` for one's own, and one that is approved."""
    with service.database.write() as session:
        face = session.get(CardFace, face_id)
        if face is None:
            raise RefusedError("There is no such design.")
        if face.state != FaceState.DRAFT:
            raise RefusedError("This version is approved already.")
        if face.author_id == visitor.user_id:
            raise RefusedError("A second person must approve it: nobody approves his own design.")
        face.state, face.checker_id, face.approved_at = FaceState.APPROVED, visitor.user_id, service.now()
        _note(service, session, visitor, "approve-face", face)


def _note(service: Service, session: Session, visitor: Visitor, action: str, face: CardFace, **detail: Any) -> None:
    name = f"face {face.card_type}/{face.version}"
    service.audit.append(session, visitor, MODULE, action, name, **detail)


# ------------------------------------------------------------------------- promotions


def promotions_page(session: Session, limit: int) -> Sequence[CardPromotion]:
    """Promotions, newest first."""
    return session.scalars(select(CardPromotion).order_by(CardPromotion.id.desc()).limit(limit)).all()


def _current(date: int) -> Any:
    return or_(CardPromotion.until_date == 0, CardPromotion.until_date >= date)


def save_promotion(service: Service, visitor: Visitor, form: PromotionForm) -> int:
    """Add a text; its number. `RefusedError` for a group that is not there or too large."""
    with service.database.write() as session:
        today = newest_date(session)
        kept = session.scalar(select(func.count()).select_from(CardPromotion).where(_current(today))) or 0
        if kept >= PROMOTIONS_MAX:
            raise RefusedError("There are {count} promotions that go on: stop one first.", count=PROMOTIONS_MAX)
        if form.group:
            _members(session, visitor, service, form.group)
        promotion = CardPromotion(
            text=form.text,
            group_id=form.group,
            level=form.level,
            card_type=form.card_type,
            from_date=form.from_date or today,
            until_date=form.until_date,
            maker_id=visitor.user_id,
            made_at=service.now(),
        )
        session.add(promotion)
        session.flush()
        name = f"card promotion {promotion.id}"
        service.audit.append(session, visitor, "campaigns", "add-card-text", name, text=form.text, group=form.group)
        return promotion.id


def stop_promotion(service: Service, visitor: Visitor, promotion_id: int) -> None:
    """End a text: cards that are printed from now on do not have it."""
    with service.database.write() as session:
        promotion = session.get(CardPromotion, promotion_id)
        yesterday = newest_date(session) - 1
        if promotion is None or (promotion.until_date and promotion.until_date <= yesterday):
            raise RefusedError("There is no such promotion, or it has ended.")
        promotion.until_date = max(1, yesterday)
        name = f"card promotion {promotion_id}"
        service.audit.append(session, visitor, "campaigns", "stop-card-text", name, text=promotion.text)


def _members(session: Session, visitor: Visitor, service: Service, group_id: int) -> list[int]:
    group = group_seen(session, visitor, group_id)
    if group is None:
        raise RefusedError("There is no such group.")
    query = select(Member.id).where(members_of_group(session, group, service.now().date()), Member.state.not_in(GONE))
    found = list(session.scalars(query.order_by(Member.id).limit(MEMBERS_MAX + 1)))
    if len(found) > MEMBERS_MAX:
        raise RefusedError(
            "A text of its own is for a group of at most {count} members: take a level instead.", count=MEMBERS_MAX
        )
    return found


def _members_now(session: Session, visitor: Visitor, service: Service, group_id: int) -> list[int]:
    """As of now; nobody of a group that has gone or has grown too large, so that one text does not stop all others."""
    try:
        return _members(session, visitor, service, group_id)
    except RefusedError:
        return []


# ------------------------------------------------------------------------- for tills


class FaceOfType(msgspec.Struct, frozen=True):
    """The approved design of a card type."""

    card_type: int
    version: int
    items: tuple[FaceItem, ...]


class PromotionOfTill(msgspec.Struct, frozen=True, omit_defaults=True):
    """A text, for whom and when; members of a group are named by their numbers as of now."""

    text: str
    level: int = 0
    card_type: int = 0
    from_date: int = 0
    until_date: int = 0
    members: list[int] | None = None


class FaceDocument(msgspec.Struct, frozen=True):
    """What a till fetches; docs/devices.md says how it is used."""

    format: int
    faces: list[FaceOfType]
    promotions: list[PromotionOfTill]


def document_of(session: Session, visitor: Visitor, service: Service) -> FaceDocument:
    """All approved designs, and the promotions that have not ended, newest first."""
    faces = [face for code in visual_types(session) if (face := in_force(session, code)) is not None]
    query = select(CardPromotion).where(_current(newest_date(session))).order_by(CardPromotion.id.desc())
    promotions = [
        PromotionOfTill(
            one.text,
            one.level,
            one.card_type,
            one.from_date,
            one.until_date,
            _members_now(session, visitor, service, one.group_id) if one.group_id else None,
        )
        for one in session.scalars(query.limit(PROMOTIONS_MAX))
    ]
    return FaceDocument(
        FORMAT, [FaceOfType(face.card_type, face.version, items_of(face)) for face in faces], promotions
    )
