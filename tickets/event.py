"""What happens to a ticket. The event log is its history; notifications are planned from it."""

from __future__ import annotations

from enum import StrEnum


class Event(StrEnum):
    """Events people may be told about. Each has a folder of texts under `templates/<language>/`."""

    RECEIVED = "received"
    STATUS_CHANGED = "status_changed"
    PUBLIC_COMMENT = "public_comment"
    AUTHOR_REPLIED = "author_replied"
    ASSIGNED = "assigned"
    RESOLVED = "resolved"
    CLOSED = "closed"
    DEADLINE_NEAR = "deadline_near"
    DEADLINE_MISSED = "deadline_missed"
    MERGED = "merged"
    REOPENED = "reopened"
    WITHDRAWN = "withdrawn"
    PORTAL_LINK = "portal_link"
    UNDELIVERED = "undelivered"
    MAIL_LOOP = "mail_loop"


class Role(StrEnum):
    """In what capacity somebody is told."""

    AUTHOR = "author"
    ASSIGNEE = "assignee"
    GROUP = "group"
    LEAD = "lead"
    PARTICIPANT = "copy"
    """Gets a copy of what the author is answered."""


AUDIENCE: dict[Event, tuple[Role, ...]] = {
    Event.RECEIVED: (Role.AUTHOR,),
    Event.ASSIGNED: (Role.ASSIGNEE,),
    Event.STATUS_CHANGED: (Role.AUTHOR, Role.PARTICIPANT),
    Event.PUBLIC_COMMENT: (Role.AUTHOR, Role.PARTICIPANT),
    Event.AUTHOR_REPLIED: (Role.ASSIGNEE,),
    Event.RESOLVED: (Role.AUTHOR, Role.PARTICIPANT),
    Event.CLOSED: (Role.AUTHOR, Role.PARTICIPANT),
    Event.DEADLINE_NEAR: (Role.ASSIGNEE,),
    Event.DEADLINE_MISSED: (Role.ASSIGNEE, Role.LEAD),
    Event.MERGED: (Role.AUTHOR,),
    Event.REOPENED: (Role.ASSIGNEE,),
    Event.WITHDRAWN: (Role.ASSIGNEE,),
    Event.PORTAL_LINK: (Role.AUTHOR,),
    Event.UNDELIVERED: (Role.ASSIGNEE,),
    Event.MAIL_LOOP: (Role.ASSIGNEE,),
}
"""Who hears of what. Where nobody is assigned, the leads of the group stand in for the assignee. Participants hear only
of what was said to the author on the occasion."""
