"""`cardswitch admin` and `cardswitch up`: the web service for operators."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from admin.service import Service

app = App(
    name="admin",
    help="The web service for operators.\n\nFor example:\n    cardswitch admin init --data build/mine --listen"
    " 127.0.0.1:7480\n    cardswitch admin serve --data build/mine",
    help_format="plaintext",
)
user_app = App(name="user", help="Users of the web service.", help_format="plaintext")
app.command(user_app)

DataOption = Annotated[Path, Parameter(name="--data", help="Data directory of the switch; the service's is in it.")]
FOLDER = "admin"
SETTINGS = "admin.toml"
ENROL_AGAIN_S = 1.0


def settings_path(data: Path) -> Path:
    """Where the service's settings are."""
    return data / FOLDER / SETTINGS


@app.command
def init(
    *, data: DataOption, listen: str = "127.0.0.1:7480", connect: str = "127.0.0.1:7464", database: str = ""
) -> int:
    """Write the service's settings and make its tables.

    For example:
        cardswitch admin init --data build/mine

    Next: `cardswitch admin serve`, then `cardswitch admin setup-token`.

    Parameters
    ----------
    listen
        HOST:PORT that browsers come to.
    connect
        HOST:PORT of the switch.
    database
        Address of a database (postgresql+psycopg://...); without it a SQLite file in the data directory.
    """
    from admin.serving import prepare
    from admin.settings import Settings, write_settings

    path = settings_path(data)
    listen_host, listen_port = _host_port("--listen", listen)
    switch_host, switch_port = _host_port("--connect", connect)
    settings = Settings(
        data=str(path.parent.resolve()),
        database_url=database,
        switch_host=switch_host,
        switch_port=switch_port,
        switch_key=str((data / "operator.key").resolve()),
        listen_host=listen_host,
        listen_port=listen_port,
    )
    if path.exists():
        raise ValueError(f"{path}: expected no settings yet, got some; edit them, or move the file away")
    write_settings(path, settings)
    prepare(settings)
    print(f"{path}: written; the tables are made")
    return 0


@app.command
def enrol(*, data: DataOption) -> int:
    """Make the service's own terminal at the running switch, with which pages change cards, types and rules.

    `up` and `serve` do it at their first start.

    For example:
        cardswitch admin enrol --data build/mine
    """
    from admin._clock import SYSTEM
    from admin.documents.terminals import HEADQUARTERS, RIGHTS, key_path, make_key, terminal_id_of
    from admin.settings import read_settings
    from switch.protocol.codes import ResponseCode

    from .desk import Desk, Switch, at_desk

    settings = read_settings(settings_path(data))
    path = key_path(settings, HEADQUARTERS)
    if path.exists():
        print(f"{path}: there is a terminal already")
        return 0
    waiting = path.with_suffix(".enrolling")  # the final name only once the switch knows the key
    key = make_key(waiting, terminal_id_of(HEADQUARTERS), SYSTEM.random_bytes)

    async def work(desk: Desk) -> int:
        outcome = await desk.client.put_terminal(
            key.terminal_id, bytes.fromhex(key.key), store_id=HEADQUARTERS, rights=int(RIGHTS[True])
        )
        if outcome.code != ResponseCode.APPROVED:
            raise ValueError(f"terminal {key.terminal_id}: expected to be taken in, got: {outcome.meaning}")
        desk.client.compact_trace()  # the key stood in it
        return 0

    options = Switch(connect=f"{settings.switch_host}:{settings.switch_port}", operator_key=Path(settings.switch_key))
    code = at_desk(options, work)
    waiting.rename(path)
    print(f"{path}: terminal {key.terminal_id} is made")
    return code


@app.command
def send(*, data: DataOption) -> int:
    """Send what people have ordered on the pages until SIGTERM; `serve` starts it.

    For example:
        cardswitch admin send --data build/mine
    """
    from admin._clock import SYSTEM

    from .output import CommandError

    said = ""
    while True:
        try:
            enrol(data=data)
            break
        except CommandError as error:  # the switch is still starting, or is not there today
            if str(error) != said:
                said = str(error)
                print(f"cardswitch admin send: {said}; trying again", file=sys.stderr, flush=True)
            SYSTEM.pause_s(ENROL_AGAIN_S)
    os.execve(  # no process of its own in between that would have to pass signals on
        sys.executable, [sys.executable, "-m", "admin.documents.sender"], _environment(settings_path(data))
    )


@app.command
def migrate(*, data: DataOption) -> int:
    """Bring the tables to this version of the program.

    For example:
        cardswitch admin migrate --data build/mine
    """
    from admin.serving import prepare
    from admin.settings import read_settings

    prepare(read_settings(settings_path(data)))
    print("the tables are those of this version")
    return 0


@app.command
def serve(*, data: DataOption) -> int:
    """Serve pages and follow the journal until SIGTERM (or Ctrl-C).

    For example:
        cardswitch admin serve --data build/mine
    """
    from admin.serving import commands_of, run_together
    from admin.settings import read_settings

    path = settings_path(data)
    settings = read_settings(path)
    print(f"cardswitch admin: http://{settings.listen_host}:{settings.listen_port}/", flush=True)
    return run_together({**commands_of(path), **_sender(data)}, _environment(path))


@app.command
def follow(*, data: DataOption) -> int:
    """Take over what the journal has now, and end; `serve` does it all the time.

    For example:
        cardswitch admin follow --data build/mine
    """
    from admin.database import Database
    from admin.follower import follower_of
    from admin.settings import read_settings

    settings = read_settings(settings_path(data))
    database = Database(settings.url, is_follower=True)
    try:
        print(f"{follower_of(settings, database).catch_up():,} rows of entries taken over")
    finally:
        database.close()
    return 0


@app.command
def rebuild(*, data: DataOption) -> int:
    """Empty all tables that follow the journal and fill them from its beginning; users and the audit log stay.

    End `serve` first: a follower that runs notices, and ends by itself.

    For example:
        cardswitch admin rebuild --data build/mine
    """
    from admin.database import Database
    from admin.projection.projector import forget
    from admin.settings import read_settings

    settings = read_settings(settings_path(data))
    database = Database(settings.url, is_follower=True)
    try:
        forget(database, settings.partition)
    finally:
        database.close()
    return follow(data=data)


@app.command(name="load-facts")
def load_facts(folder: Path, *, data: DataOption) -> int:
    """Take over what reports need and the journal does not know: names of goods, traits of members, campaigns.

    The folder has CSV files (UTF-8, with a line of headings) by the names of the tables: goods_names.csv,
    member_facts.csv, campaigns.csv, campaign_targets.csv, campaign_redemptions.csv. Each one that is there takes the
    place of what its table had; a fault in one leaves all as it was. Campaigns are those of the pages: the number in
    the file is the code of the record, which is made or changed.

    For example:
        cardswitch admin load-facts build/facts --data build/mine

    Parameters
    ----------
    folder
        Folder of the files.
    """
    from admin.audit import COMMAND_LINE
    from admin.errors import RefusedError
    from admin.reports.facts import load_facts as load

    with service_of(data) as service:
        try:
            loaded = load(service.database, folder, service.now())
        except RefusedError as error:
            raise ValueError(str(error)) from error
        with service.database.write() as session:
            service.audit.append(session, COMMAND_LINE, "reports", "load-facts", folder.name, rows=loaded)
    for name, count in loaded.items():
        print(f"{name}: {count:,} rows")
    return 0


@app.command(name="setup-token")
def setup_token(*, data: DataOption) -> int:
    """Print a token with which the first administrator is made on the set-up page; it is good once, for a day.

    For example:
        cardswitch admin setup-token --data build/mine
    """
    from admin.people.sign_in import make_setup_token

    with service_of(data) as service:
        token = make_setup_token(service)
        settings = service.settings
        print(f"http://{settings.listen_host}:{settings.listen_port}/setup\ntoken: {token}")
    return 0


@app.command(name="check-audit")
def check_audit(*, data: DataOption) -> int:
    """Compute the audit log's chain again; 1 when a row is missing or was changed.

    For example:
        cardswitch admin check-audit --data build/mine
    """
    from admin.audit import first_fault

    with service_of(data) as service:
        service.audit.settle()
        fault = first_fault(service.database)
    print("audit log: whole" if fault is None else f"audit log: row {fault} is missing or was changed")
    return 0 if fault is None else 1


@app.command
def levels(*, data: DataOption, preview: bool = False) -> int:
    """Move members to the levels that the rules give them today; for the timer, once a day.

    For example:
        cardswitch admin levels --data build/mine --preview

    Parameters
    ----------
    preview
        Say how many would move, and change nothing.
    """
    from admin.audit import COMMAND_LINE
    from admin.members.levels import plan, run
    from admin.members.today import today_of
    from admin.members.totals import catch_up

    with service_of(data) as service:
        catch_up(service.database)
        with service.database.read() as session:
            today = today_of(session, service)
            count = sum(1 for _ in plan(session, today)) if preview else 0
        if preview:
            print(f"{today}: {count:,} members would move")
        else:
            print(f"{today}: {run(service, COMMAND_LINE, today):,} members moved")
    return 0


@user_app.command(name="list")
def list_users(*, data: DataOption) -> int:
    """List the users, their roles and their state.

    For example:
        cardswitch admin user list --data build/mine
    """
    from sqlalchemy import select

    from admin.models.people import User

    with service_of(data) as service, service.database.read() as session:
        for user in session.scalars(select(User).order_by(User.id)):
            roles = ", ".join(sorted(assignment.role for assignment in user.assignments))
            state = "enabled" if user.is_enabled else "disabled"
            print(f"{user.id:>6}  {user.name:<20} {state:<9} {roles}")
    return 0


@user_app.command
def unlock(name: str, *, data: DataOption) -> int:
    """Open the lock of a user, and take the dynamic password away: for an administrator who is locked out.

    For example:
        cardswitch admin user unlock boss --data build/mine

    Parameters
    ----------
    name
        The user's name.
    """
    from sqlalchemy import select

    from admin.audit import COMMAND_LINE
    from admin.models.people import User
    from admin.people.sign_in import end_sessions

    with service_of(data) as service, service.database.write() as session:
        user = session.scalar(select(User).where(User.name == name.lower()))
        if user is None:
            raise ValueError(f"{name}: expected the name of a user, got none; see cardswitch admin user list")
        user.failures, user.locked_until, user.totp_sealed = 0, None, None
        end_sessions(session, user.id)
        service.audit.append(session, COMMAND_LINE, "users", "unlock", f"user {user.id}")
    print(f"{name}: open")
    return 0


def up(*, data: DataOption, listen: str = "127.0.0.1:7464", web: str = "127.0.0.1:7480") -> int:
    """Start the switch and its web service together; made at the first start, ended by SIGTERM (or Ctrl-C).

    For example:
        cardswitch init --data build/mine
        cardswitch up --data build/mine

    Parameters
    ----------
    listen
        HOST:PORT of the switch.
    web
        HOST:PORT that browsers come to; counts at the first start, then it stands in admin/admin.toml.
    """
    from admin.serving import commands_of, prepare, run_together
    from admin.settings import read_settings

    from .key_house import is_passphrase_given

    path = settings_path(data)
    if not path.exists():
        init(data=data, listen=web, connect=listen)
    settings = read_settings(path)
    prepare(settings)
    with service_of(data) as service:
        from admin.people.sign_in import is_set_up

        if not is_set_up(service):
            setup_token(data=data)
    print(f"cardswitch admin: http://{settings.listen_host}:{settings.listen_port}/", flush=True)
    switch = [sys.executable, "-m", "cardswitch", "serve", "--data", str(data), "--listen", listen]
    commands = {"switch": switch, **commands_of(path), **_sender(data)}
    with_passphrase = dict.fromkeys(("switch", "key desk"), _environment(path, with_passphrase=True))
    if is_passphrase_given():
        follow_plan = ["cardswitch", "keys", "follow-plan", "--data", str(data), "--watch"]
        commands["key desk"] = [sys.executable, "-m", *follow_plan]
    return run_together(commands, _environment(path), with_passphrase)


@contextmanager
def service_of(data: Path) -> Iterator[Service]:
    """The service of a data directory, for a command that works on its tables."""
    from admin.database import Database
    from admin.service import Service
    from admin.settings import read_settings

    settings = read_settings(settings_path(data))
    database = Database(settings.url)
    try:
        yield Service(settings, database)
    finally:
        database.close()


def _sender(data: Path) -> dict[str, list[str]]:
    """The sender as a command that first sees to its terminal."""
    return {"sender": [sys.executable, "-m", "cardswitch", "admin", "send", "--data", str(data)]}


def _environment(path: Path, *, with_passphrase: bool = False) -> dict[str, str]:
    """Of a child process; those that face browsers and the database do not learn how the keys are opened."""
    from admin.settings import SETTINGS_FILE_VARIABLE

    from .key_house import PASSPHRASE_VARIABLES

    kept = {name: value for name, value in os.environ.items() if with_passphrase or name not in PASSPHRASE_VARIABLES}
    return {**kept, SETTINGS_FILE_VARIABLE: str(path)}


def _host_port(option: str, text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) <= 65_535:
        raise ValueError(f"{option}: expected HOST:PORT with a port from 1 to 65535, got {text}")
    return host, int(port)
