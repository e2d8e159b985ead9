"""Making, changing and deleting roles, beside those that come with the service.

They hold for the whole group, so only who belongs to it changes them, and only within the rights that he holds.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from admin.access import Visitor
from admin.errors import RefusedError
from admin.models.interfaces import CustomRole
from admin.models.people import RoleAssignment
from admin.rights import ALL_RIGHTS, ROLES
from admin.roles import rights_in
from admin.service import Service

MODULE = "roles"
NAME_LENGTH_MAX, LABEL_LENGTH_MAX = 40, 80


def save_role(
    service: Service, visitor: Visitor, name: str, *, label: str, rights: Iterable[str], is_new: bool
) -> None:
    """Make or change a role; whoever holds it has its rights with the next request."""
    name, label, wanted = name.strip().lower(), label.strip(), frozenset(rights)
    if not 2 <= len(name) <= NAME_LENGTH_MAX or not all(c.isascii() and (c.isalnum() or c in "-_") for c in name):
        raise RefusedError("The name of a role has 2 to 40 letters, digits, hyphens or underscores.")
    if not 1 <= len(label) <= LABEL_LENGTH_MAX:
        raise RefusedError("A name has {least} to {most} characters.", least=1, most=LABEL_LENGTH_MAX)
    if unknown := wanted - ALL_RIGHTS:
        raise RefusedError("There is no right {name}.", name=sorted(unknown)[0][:40])
    _check_group(visitor)
    with service.database.write() as session:
        found = session.get(CustomRole, name)
        if is_new and (found is not None or name in ROLES):
            raise RefusedError("There is a role with this name already.")
        if not is_new and found is None:
            raise RefusedError("There is no such role, or it comes with the service and cannot be changed.")
        held = rights_in(found) if found else frozenset()
        if (wanted ^ held) - visitor.rights:
            raise RefusedError("Nobody gives or takes rights that he lacks himself.")
        if name in visitor.roles:
            raise RefusedError("Nobody changes a role that he holds himself; ask another administrator.")
        before = {"label": found.label, "rights": sorted(held)} if found else None
        if found is None:
            found = CustomRole(name=name)
            session.add(found)
        found.label, found.rights = label, " ".join(sorted(wanted))
        found.made_by, found.changed_at = visitor.user_id, service.now()
        after = {"label": label, "rights": sorted(wanted)}
        service.audit.append(
            session, visitor, MODULE, "add" if is_new else "change", f"role {name}", before=before, after=after
        )


def delete_role(service: Service, visitor: Visitor, name: str) -> None:
    """Delete a role that nobody holds."""
    _check_group(visitor)
    with service.database.write() as session:
        found = session.get(CustomRole, name)
        if found is None:
            raise RefusedError("There is no such role, or it comes with the service and cannot be changed.")
        if session.scalar(select(RoleAssignment.user_id).where(RoleAssignment.role == name).limit(1)) is not None:
            raise RefusedError("Somebody holds this role; take it from its users first.")
        if rights_in(found) - visitor.rights:
            raise RefusedError("Nobody gives or takes rights that he lacks himself.")
        before = {"label": found.label, "rights": sorted(rights_in(found))}
        session.delete(found)
        service.audit.append(session, visitor, MODULE, "delete", f"role {name}", before=before)


def _check_group(visitor: Visitor) -> None:
    if not visitor.sees_everything:
        raise RefusedError("Roles hold for the whole group: only who belongs to it changes them.")
