"""What people are told about a run without looking: decided here from plain numbers, delivered elsewhere."""

from __future__ import annotations

from gammaops.alerts.delivered import mark_told, untold
from gammaops.alerts.messages import Message, message_of
from gammaops.alerts.rules import DEADLINE, FAILED, Alert, Facts, failed_alert, late_alert, raised, unread_alert

__all__ = [
    "DEADLINE",
    "FAILED",
    "Alert",
    "Facts",
    "Message",
    "failed_alert",
    "late_alert",
    "mark_told",
    "message_of",
    "raised",
    "unread_alert",
    "untold",
]
