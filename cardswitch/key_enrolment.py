"""`cardswitch keys officers`: who may order and agree, as the key house itself knows them."""

from __future__ import annotations

from cyclopts import App

from hsm.key_states import KeyAct
from switch._clock import now_ms

from .desk import DEFAULT, Switch
from .key_agreements import Officer, OfficerBook
from .key_officers import HOUSE, House
from .key_orders import opened_service
from .key_steps import change_ring
from .keys import app
from .output import CommandError
from .units import format_moment

officers_app = App(
    name="officers",
    help="The key house's own list of officers: with anybody on it, an order needs the passkeys of two of them.\n\n"
    "For example:\n    cardswitch keys officers list --data build/mine",
    help_format="plaintext",
)
app.command(officers_app)


@officers_app.command(name="list")
def list_officers(*, house: House = HOUSE, switch: Switch = DEFAULT) -> int:
    """List the officers, each with the fingerprint of the passkey.

    For example:
        cardswitch keys officers list --data build/mine
    """
    from admin.keys.proofs import fingerprint

    with house.open() as keys:
        rows = [
            {
                "number": one.user_id,
                "name": one.name,
                "fingerprint": fingerprint(one.public_key),
                "address": one.origin,
                "since": format_moment(one.enrolled_ms),
            }
            for one in OfficerBook(keys).officers
        ]
    switch.output.rows(rows, nothing="nobody is on the list: orders are followed as the admin database has them")
    return 0


@officers_app.command(name="add")
def add_officer(name: str, /, *, check: str, house: House = HOUSE, switch: Switch = DEFAULT) -> int:
    """Take an officer of the admin service on the list, with the passkey whose fingerprint was compared.

    For example:
        cardswitch keys officers add maria --check "1A2B 3C4D 5E6F 7081 92A3" --data build/mine

    Two officers (--officers) do it together, and it is in the key log. Once
    anybody is on the list, no order is followed without the signatures of two
    who are: add the second one in the same hour.

    Parameters
    ----------
    name
        User name in the admin service.
    check
        Fingerprint of the passkey, 20 hexadecimal digits, as the officer's own page showed it when it was added.
    """
    from sqlalchemy import select

    from admin.keys.proofs import fingerprint
    from admin.models.people import User
    from admin.people.passkeys import passkeys_of, site_of

    wanted = "".join(check.split()).upper()
    with opened_service(house.directory) as service, service.database.read() as session:
        user = session.scalar(select(User).where(User.name == name.lower()))
        found = passkeys_of(session, user.id) if user is not None else []
        site = site_of(service.settings)
        matching = [one for one in found if fingerprint(one.public_key).replace(" ", "") == wanted]
        if user is None or not matching:
            raise CommandError(
                f"{name}: expected a passkey with fingerprint {wanted or 'of 20 digits'}, got {len(found)} others; the"
                " officer's own page of the admin service shows it"
            )
        officer = Officer(
            user_id=user.id,
            name=f"{user.full_name[:40]} ({user.name})"[:64],
            credential_id=matching[0].credential_id,
            public_key=matching[0].public_key,
            host=site.host,
            origin=site.origin,
            enrolled_ms=now_ms(),
        )
    with house.open_to_change() as (keys, officers):
        book = OfficerBook(keys)
        change_ring(keys.keyring, lambda: keys.keyring.note(officers.people, KeyAct.ENROL_OFFICER, officer.user_id))
        book.put(officer)
        count = len(book.officers)
    switch.output.say(
        f"{officer.name} is on the list, which has {count}. Next: "
        + (
            "orders on the pages, signed by two" if count > 1 else "add the second one; until then no order is followed"
        ),
        number=officer.user_id,
        officers=count,
    )
    return 0


@officers_app.command(name="remove")
def remove_officer(number: int, /, *, house: House = HOUSE, switch: Switch = DEFAULT) -> int:
    """Take an officer off the list; with the last one, orders are followed without signatures again.

    For example:
        cardswitch keys officers remove 12 --data build/mine

    Parameters
    ----------
    number
        The officer's number, as `keys officers list` shows it.
    """
    with house.open_to_change() as (keys, officers):
        book = OfficerBook(keys)
        if number not in {one.user_id for one in book.officers}:
            raise CommandError(f"officers: expected somebody who is on the list, got number {number}")
        change_ring(keys.keyring, lambda: keys.keyring.note(officers.people, KeyAct.DISMISS_OFFICER, number))
        book.remove(number)
        count = len(book.officers)
    switch.output.say(f"number {number} is off the list, which has {count}", number=number, officers=count)
    return 0
