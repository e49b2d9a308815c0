"""Times as HTTP and XML write them, as seconds since 1970 (UTC)."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime
from email.utils import formatdate, parsedate_to_datetime

_ISO8601 = "%Y-%m-%dT%H:%M:%S.000Z"


def to_unixtime(time_string: str, format_string: str) -> int:
    """Return a time of a format as ``strptime`` takes it.

    Raises:
        ValueError: It is not of this format.
    """
    return calendar.timegm(datetime.strptime(time_string, format_string).timetuple())  # noqa: DTZ007  UTC


def http_date(timeval: float | None = None) -> str:
    """Return a time, or now, as in ``Sat, 05 Dec 2015 11:10:29 GMT``."""
    return formatdate(timeval, usegmt=True)


def http_to_unixtime(time_string: str) -> int:
    """Return what ``Sat, 05 Dec 2015 11:10:29 GMT`` says.

    Raises:
        ValueError: It is no such time.
    """
    if not time_string.endswith(" GMT"):
        raise ValueError(f"{time_string} is not in valid HTTP date format")
    return int(parsedate_to_datetime(time_string).timestamp())


def iso8601_to_unixtime(time_string: str) -> int:
    """Return what ``2012-02-24T06:07:48.000Z`` says, to the second.

    Raises:
        ValueError: It is no such time.
    """
    if not time_string.endswith("Z"):
        raise ValueError(f"{time_string} is not in valid ISO8601 format")
    return int(datetime.fromisoformat(time_string).timestamp())


def date_to_iso8601(d: date) -> str:
    """Return a date as ``2012-02-24T00:00:00.000Z``."""
    return d.strftime(_ISO8601)


def iso8601_to_date(time_string: str) -> date:
    """Return the day of a time, in UTC.

    Raises:
        ValueError: It is no such time.
    """
    return datetime.fromtimestamp(iso8601_to_unixtime(time_string), UTC).date()
