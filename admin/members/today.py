"""Which day it is for members: the switch's business date, or the clock's day while there is none."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from admin.i18n import FIRST_DATE
from admin.models.mirror import switches
from admin.service import Service


def today_of(session: Session, service: Service) -> date:
    """The day that ages, periods and birthdays are counted from."""
    begun = session.scalar(select(func.max(switches.c.business_date)))
    return FIRST_DATE + timedelta(days=int(begun)) if begun else service.now().date()


def month_days(day: date) -> list[int]:
    """MMDD that are kept on a day: 29 February on the 28th where the year has none."""
    keys = [day.month * 100 + day.day]
    if keys == [228] and (day + timedelta(days=1)).day == 1:
        keys.append(229)
    return keys
