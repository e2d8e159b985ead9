"""The first page, a wall of figures that renew themselves: the switch's pulse, the day, what is held, alarms."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.response import Template

from admin import i18n
from admin.access import Visitor, needs
from admin.checklist import checklist
from admin.figures import day_figures, lag, recent_days
from admin.pulse import PulseFigures
from admin.words import code_name

from .common import is_part_wanted, page
from .handlers import get

MINOR_PER_UNIT = 100
US_PER_MS = 1_000


@get("/", guards=[needs("dashboard")])
def dashboard(request: Request[Visitor, Any, Any]) -> Template:
    """Figures of the day; holdings of the group and the switch's pulse for those who see it all."""
    service, visitor = request.app.state.service, request.user
    now_ms = service.surroundings.now_ms()
    is_part = is_part_wanted(request)
    with service.database.read() as session:
        context: dict[str, Any] = {
            "day": day_figures(session, visitor),
            "holdings": request.app.state.holdings.get(session, now_ms) if visitor.sees_everything else None,
            "lag": lag(session, service.settings.partition, now_ms),
            "chart": None if is_part else _days_chart(recent_days(session, visitor)),
        }
        items = checklist(session, visitor)
    pulse = request.app.state.pulse.look() if visitor.sees_everything else None
    return page(
        request,
        "_figures.html" if is_part else "dashboard.html",
        code_name=code_name,
        pulse=pulse,
        pulse_chart=_pulse_chart(pulse) if pulse else None,
        checklist=items if not all(item.is_done for item in items) else [],
        **context,
    )


@get("/dashboard/pulse", guards=[needs("dashboard")])
def pulse_of_switch(request: Request[Visitor, Any, Any]) -> dict[str, Any]:
    """The chart of the pulse, for the script that draws it anew; empty for those who see a part of the group."""
    return _pulse_chart(request.app.state.pulse.look()) if request.user.sees_everything else {}


def _pulse_chart(pulse: PulseFigures) -> dict[str, Any]:
    return {
        "kind": "line",
        "isStacked": False,
        "labels": [i18n.moment(beat.time_ms)[-8:] for beat in pulse.beats],
        "series": [
            {
                "name": i18n.translate("Decisions a second"),
                "digits": 0,
                "unit": "",
                "values": [beat.per_second_hundredths / 100 for beat in pulse.beats],
            },
        ],
        "locale": _browser_locale(),
    }


def _days_chart(days: list[tuple[int, int, int]]) -> dict[str, Any] | None:
    if len(days) < 2:
        return None
    names = (i18n.translate("Spent"), i18n.translate("Recharged"))
    return {
        "kind": "bar",
        "isStacked": False,
        "labels": [i18n.day(date) for date, *_ in days],
        "series": [
            {"name": name, "digits": 2, "unit": "", "values": [day[n] / MINOR_PER_UNIT for day in days]}
            for n, name in enumerate(names, 1)
        ],
        "locale": _browser_locale(),
    }


def _browser_locale() -> str:
    return i18n.BABEL_LOCALES[i18n.locale_now.get()].replace("_", "-")


HANDLERS = [dashboard, pulse_of_switch]
