"""The gateway of the installation: its address, what it knows us by, and the secret that it signs with."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from sqlalchemy.orm import Session

from admin.access import Visitor
from admin.errors import RefusedError
from admin.forms import FormContext, entry
from admin.i18n import translate
from admin.members.seals import Vault
from admin.models.messaging import MessageGateway
from admin.service import Service
from admin.webhooks.addresses import ADDRESS_LENGTH_MAX, read_address

from .templates import templates_seen
from .text import is_illegal

_ = str
MODULE = "message-settings"
GATEWAY_ID = 1
TOKEN_LENGTH_MAX = 200
SECRET_BYTES = 32
SECRET_PREFIX = "cms_"
PER_SECOND_MAX = 1_000
SIGNATURE_LENGTH_MAX = 20


def _templates(context: FormContext) -> dict[int | str, str]:
    found = {row.id: row.name for row in context.session.scalars(templates_seen(context.visitor, is_offered=True))}
    return {0: translate("Nothing")} | found


class GatewayForm(msgspec.Struct, frozen=True, kw_only=True):
    """The gateway."""

    address: Annotated[
        str,
        entry(
            _("Address"),
            max_length=ADDRESS_LENGTH_MAX,
            hint=_("Such as https://sms.example.com/messages; docs/operating.md says what it must answer."),
        ),
    ] = ""
    token: Annotated[
        str,
        entry(_("Token"), "secret", max_length=TOKEN_LENGTH_MAX, hint=_("What it knows us by. Empty: stays as it is.")),
    ] = ""
    is_enabled: Annotated[bool, entry(_("Messages are sent"), "check")] = False
    signature: Annotated[
        str,
        entry(
            _("Sender's name before each text"),
            max_length=SIGNATURE_LENGTH_MAX,
            hint=_("Stands in 【】 and counts as text."),
        ),
    ] = ""
    per_second: Annotated[int, entry(_("Messages in a second at most"), "integer", ge=1, le=PER_SECOND_MAX)] = 50
    purchase_template: Annotated[
        int,
        entry(
            _("After each purchase"),
            "choice",
            choices=_templates,
            hint=_("Goes to members who want a message after purchases."),
        ),
    ] = 0


def gateway_of(session: Session) -> MessageGateway:
    """The row of the gateway; one with the defaults while there is none, which is not kept."""
    found = session.get(MessageGateway, GATEWAY_ID)
    return found or MessageGateway(id=GATEWAY_ID, address="", is_enabled=False, signature="", per_second=50, problem="")


def form_of(row: MessageGateway) -> GatewayForm:
    """The form as it stands; the token is never shown again."""
    return GatewayForm(
        address=row.address,
        is_enabled=row.is_enabled,
        signature=row.signature,
        per_second=row.per_second,
        purchase_template=row.purchase_template_id or 0,
    )


def save_gateway(service: Service, visitor: Visitor, form: GatewayForm) -> None:
    """Change the gateway; its address is where webhooks may go, too."""
    address = form.address.strip()
    if address:
        read_address(address, service.settings)
    elif form.is_enabled:
        raise RefusedError("Messages are sent to an address: fill it in.")
    if any(is_illegal(one) or one in "【】" for one in form.signature):
        raise RefusedError("The sender's name has a character that cannot be sent.")
    vault = Vault(service)
    with service.database.write() as session:
        row = gateway_of(session)
        before = _said(row)
        row.address, row.is_enabled = address, form.is_enabled
        row.signature, row.per_second = form.signature.strip(), form.per_second
        row.purchase_template_id = form.purchase_template or None
        row.problem = ""
        if form.token:
            row.token_sealed = vault.seal("message_gateways", "token", "1", form.token)
        session.add(row)
        session.flush()
        after = {**_said(row), "new_token": bool(form.token)}
        service.audit.append(session, visitor, MODULE, "change gateway", "gateway", before=before, after=after)


def new_secret(service: Service, visitor: Visitor) -> str:
    """A new secret that callbacks are signed with, told this once; the one before holds no more."""
    secret = SECRET_PREFIX + service.surroundings.random_bytes(SECRET_BYTES).hex()
    vault = Vault(service)
    with service.database.write() as session:
        row = gateway_of(session)
        row.secret_sealed = vault.seal("message_gateways", "secret", "1", secret)
        session.add(row)
        service.audit.append(session, visitor, MODULE, "new secret", "gateway")
    return secret


def token_of(service: Service, row: MessageGateway) -> str:
    """What the gateway knows us by; empty when none was given."""
    return Vault(service).open("message_gateways", "token", "1", row.token_sealed) if row.token_sealed else ""


def secret_of(service: Service, row: MessageGateway) -> str:
    """What callbacks are signed with; empty when none was made."""
    return Vault(service).open("message_gateways", "secret", "1", row.secret_sealed) if row.secret_sealed else ""


def _said(row: MessageGateway) -> dict[str, Any]:
    return {
        "address": row.address,
        "enabled": row.is_enabled,
        "signature": row.signature,
        "per_second": row.per_second,
        "purchase_template": row.purchase_template_id,
    }
