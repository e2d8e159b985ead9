"""Terminals as documents: made with a key for the first day, changed, moved, shut out, let in again, renewed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from sqlalchemy import Row, delete, select
from sqlalchemy.orm import Session

from admin.errors import RefusedError
from admin.forms import FormContext, entry
from admin.i18n import translate
from admin.models.documents import Document
from admin.models.mirror import terminals
from admin.models.security import TerminalKeyFile
from admin.rights import Action
from admin.store_names import store_choices
from switch.protocol.messages import REQUESTS, MessageType, Right, TerminalFlag, TerminalStatus

from .bodies import seal_body
from .kind import Kind, Planning, always, subject
from .terminals import KEY_BYTES, TERMINAL_ID_FIRST, WIRE_KEY_BYTES

if TYPE_CHECKING:
    from admin.service import Service

_ = str
KEEPS_KEYS = bytes(WIRE_KEY_BYTES)
KEY_FILE_PURPOSE = "terminal key files"
KEY_FILE_KEPT = timedelta(days=1)
"""Whoever has not fetched a key file by then makes a new key: it opens the switch."""
SELLING = Right.PAY | Right.CREDIT
"""Rights of a till; for others a second person must agree."""
RIGHTS: dict[int, str] = {
    Right.PAY: _("Sell: debits, holds, refunds, day close"),
    Right.CREDIT: _("Recharge"),
    Right.CARDS: _("Card desk: life cycle, PINs, limits, media"),
    Right.CONFIGURE: _("Configure: types, rules, stores, terminals, cut-over"),
    Right.SECURITY: _("Security: keys, media policies, alarms"),
    Right.FOLLOW: _("Read along: journal, records, statistics"),
}
NO_STORE = 0


def places_seen(context: FormContext) -> dict[int | str, str]:
    """Stores, and no store (an operator's workplace) for those who see everything."""
    found = store_choices(context)
    return {NO_STORE: translate("(no store: a workplace)"), **found} if context.visitor.sees_everything else found


NUMBER = Annotated[int, entry(_("Terminal"), "integer", ge=1, le=TERMINAL_ID_FIRST - 1)]
PLACE = Annotated[int, entry(_("Store"), "choice", choices=places_seen)]
ALLOWED = Annotated[int, entry(_("Rights"), "flags", choices=RIGHTS)]


class NewTerminal(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal that is not there yet."""

    terminal: NUMBER
    store: PLACE
    rights: ALLOWED = int(Right.PAY)
    renews: Annotated[
        bool,
        entry(
            _("It changes its key by itself at its first sign-on"),
            "check",
            hint=_("So that the key file is worth nothing after the first day. Recommended."),
        ),
    ] = False


class ChangedTerminal(msgspec.Struct, frozen=True, kw_only=True):
    """Another place or other rights."""

    terminal: NUMBER
    store: PLACE
    rights: ALLOWED = 0


class Terminals(msgspec.Struct, frozen=True, kw_only=True):
    """Some terminals."""

    terminals: Annotated[str, entry(_("Terminals"), "area", hint=_("Numbers, with commas or one per line."))]

    def numbers(self) -> list[int]:
        """Their numbers, each once."""
        return [int(word) for word in dict.fromkeys(re.split(r"[\s,;，；]+", self.terminals)) if word]

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is no number."""
        for word in re.split(r"[\s,;，；]+", self.terminals):
            if word and not (word.isascii() and word.isdecimal() and len(word) <= 10):
                yield "terminals", translate("{text} is not the number of a terminal.").format(text=word[:20])
                return


class OneTerminal(msgspec.Struct, frozen=True, kw_only=True):
    """One terminal."""

    terminal: NUMBER


def terminal_of(planning: Planning, number: int) -> Row[Any]:
    """A terminal that the visitor sees, and that is not one of the service's own; `RefusedError`."""
    found = planning.session.execute(
        planning.visitor.terminals_seen(select(terminals).where(terminals.c.terminal_id == number))
    ).first()
    if found is None:
        raise RefusedError("There is no terminal {number} in your part of the organisation.", number=number)
    if number >= TERMINAL_ID_FIRST:
        raise RefusedError("Terminal {number} is the service's own. It looks after it itself.", number=number)
    return found


def _put(planning: Planning, number: int, *, is_secret: bool = False, **fields: Any) -> None:
    planning.add(
        MessageType.PUT_TERMINAL,
        subject=subject(_("Terminal {number}"), number=number),
        is_secret=is_secret,
        terminal_id=number,
        key=KEEPS_KEYS,
        **fields,
    )


def _add(planning: Planning, form: NewTerminal) -> None:
    if planning.session.execute(select(terminals).where(terminals.c.terminal_id == form.terminal)).first():
        raise RefusedError("There is a terminal {number} already. Choose another number.", number=form.terminal)
    if not form.rights:
        raise RefusedError("A terminal without any right is of no use.")
    flags = int(TerminalFlag.RENEW_KEY) if form.renews else 0
    _put(planning, form.terminal, is_secret=True, store_id=form.store, rights=form.rights, flags=flags)


def _change(planning: Planning, form: ChangedTerminal) -> None:
    found = terminal_of(planning, form.terminal)
    if (form.store, form.rights) == (found.store_id, found.rights):
        raise RefusedError("It is so already.")
    status, flags = found.status, found.flags
    _put(planning, form.terminal, store_id=form.store, rights=form.rights, status=status, flags=flags)


def _takes_two(planning: Planning, form: Any) -> bool:
    old = planning.session.execute(select(terminals.c.rights).where(terminals.c.terminal_id == form.terminal)).scalar()
    return bool(form.rights & ~(old or 0) & ~SELLING)


def _block(planning: Planning, form: Terminals) -> None:
    for number in form.numbers():
        try:
            found = terminal_of(planning, number)
        except RefusedError as error:
            planning.skip(str(number), error.message.format(**error.values))
            continue
        if found.status == TerminalStatus.BLOCKED:
            planning.skip(str(number), _("It is so already."))
            continue
        blocked = TerminalStatus.BLOCKED
        _put(planning, number, store_id=found.store_id, rights=found.rights, status=blocked, flags=found.flags)


def _renew(planning: Planning, form: Terminals) -> None:
    for number in form.numbers():
        try:
            found = terminal_of(planning, number)
        except RefusedError as error:
            planning.skip(str(number), error.message.format(**error.values))
            continue
        if found.status != TerminalStatus.ACTIVE or found.flags & TerminalFlag.RENEW_KEY:
            planning.skip(str(number), _("Its state does not allow this."))
            continue
        flags = found.flags | TerminalFlag.RENEW_KEY
        _put(planning, number, store_id=found.store_id, rights=found.rights, status=found.status, flags=flags)


def _new_key(planning: Planning, form: OneTerminal) -> None:
    found = terminal_of(planning, form.terminal)
    _put(planning, form.terminal, is_secret=True, store_id=found.store_id, rights=found.rights)


def _release(planning: Planning, form: OneTerminal) -> None:
    found = terminal_of(planning, form.terminal)
    if found.status != TerminalStatus.QUARANTINED:
        raise RefusedError("It is not in quarantine. A blocked terminal comes back with a new key.")
    _put(planning, form.terminal, store_id=found.store_id, rights=found.rights, flags=found.flags)


# ------------------------------------------------------------------------- keys of the first day


def draw_key(session: Session, service: Service, document: Document, planning: Planning) -> None:
    """Draw the new terminal's key: into the sealed request, and, sealed too, for its maker to fetch once."""
    session.execute(delete(TerminalKeyFile).where(TerminalKeyFile.made_at < service.now() - KEY_FILE_KEPT))
    for place, order in enumerate(planning.orders):
        request = REQUESTS[MessageType.PUT_TERMINAL].decode(order.body)
        key = service.surroundings.random_bytes(KEY_BYTES)
        body = msgspec.structs.replace(request, key=key.ljust(WIRE_KEY_BYTES, b"\0")).encode()
        planning.orders[place] = replace(order, body=body)
        number: int = request.terminal_id  # type: ignore[attr-defined]  # a put terminal
        session.execute(delete(TerminalKeyFile).where(TerminalKeyFile.terminal_id == number))
        session.add(
            TerminalKeyFile(
                terminal_id=number,
                document_id=document.id,
                maker_id=document.maker_id,
                sealed_key=seal_body(service, key, document.id, number, KEY_FILE_PURPOSE),
                made_at=service.now(),
            )
        )


def forget_key(session: Session, document: Document, _form: Any) -> None:
    """A terminal that was refused needs no key."""
    if document.refused_count:
        session.execute(delete(TerminalKeyFile).where(TerminalKeyFile.document_id == document.id))


KINDS: list[Kind[Any]] = [
    Kind(
        name="add-terminal",
        label=_("Add a terminal"),
        hint=_("A till or a workplace. Its key file is handed out once, on the terminal's page, to whoever makes it."),
        function="terminals",
        action=Action.ADD,
        form=NewTerminal,
        plan=_add,
        needs_checker=_takes_two,
        is_central=True,
        has_secrets=True,
        prepared=draw_key,
        settled=forget_key,
    ),
    Kind(
        name="change-terminal",
        label=_("Change a terminal"),
        hint=_("Another store, or other rights: they hold from its next sign-on. It keeps its key."),
        function="terminals",
        form=ChangedTerminal,
        plan=_change,
        needs_checker=_takes_two,
        is_central=True,
    ),
    Kind(
        name="block-terminals",
        label=_("Block terminals"),
        hint=_("For lost or stolen ones: cut off at their next message, and signed on no more."),
        function="terminals",
        form=Terminals,
        plan=_block,
        is_central=True,
    ),
    Kind(
        name="new-terminal-key",
        label=_("Give a terminal a new key"),
        hint=_("It works again, also after a block, and only with the new key file; the old one is worth nothing."),
        function="terminals",
        form=OneTerminal,
        plan=_new_key,
        needs_checker=always,
        is_central=True,
        has_secrets=True,
        prepared=draw_key,
        settled=forget_key,
    ),
    Kind(
        name="release-terminal",
        label=_("End a terminal's quarantine"),
        hint=_("The switch stopped it for too many wrong proofs. Look at the machine first."),
        function="terminals",
        form=OneTerminal,
        plan=_release,
        needs_checker=always,
        is_central=True,
    ),
    Kind(
        name="renew-terminal-keys",
        label=_("Renew terminals' keys"),
        hint=_("Each terminal changes its key by itself at its next sign-on. Nobody carries a file."),
        function="terminals",
        form=Terminals,
        plan=_renew,
        is_central=True,
    ),
]
