"""Airflow notifiers that send an alert over an Airflow connection: a webhook, Slack's incoming webhook, or mail.

The type of the connection says which. Nothing in a message is rendered: no notifier here has template fields.
"""

from __future__ import annotations

import base64
import html
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from airflow.sdk import BaseHook, BaseNotifier

from gammaops.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Connection, Context

    from gammaops.alerts import Message

__all__ = ["AlertNotifier", "MailNotifier", "SlackNotifier", "WebhookNotifier", "notifier_of"]

TIMEOUT_S = 30
SLACK_TYPES = ("slackwebhook", "slackincomingwebhook")
SLACK_HOST = "hooks.slack.com"
KNOWN = f'one of the types http (a webhook; Slack with extra {{"format": "slack"}}), {SLACK_TYPES[0]}, smtp'


class AlertNotifier(BaseNotifier):
    """Sends one message over one connection.

    Parameters
    ----------
    connection : Connection
        Airflow's.
    message : Message
        What is to be told.
    """

    template_fields: Sequence[str] = ()

    def __init__(self, connection: Connection, message: Message) -> None:
        super().__init__()
        self.connection = connection
        self.message = message


class WebhookNotifier(AlertNotifier):
    """Posts the alert as JSON; the same alert has the same ``Idempotency-Key`` however often it is sent."""

    def notify(self, context: Context) -> None:
        """Send it.

        Raises
        ------
        OSError
            If it was not taken.
        """
        self.post(_url_of(self.connection), self.payload(), self.headers())

    def payload(self) -> Mapping[str, Any]:
        """The body, as JSON types."""
        return self.message.fields

    def headers(self) -> dict[str, str]:
        """Its headers: the password of the connection is a bearer token, or with a login that of basic access."""
        found = {"Idempotency-Key": str(self.message.fields["id"])}
        login, password = self.connection.login, self.connection.password
        if login:
            pair = base64.b64encode(f"{login}:{password or ''}".encode()).decode()
            return {**found, "Authorization": f"Basic {pair}"}
        return {**found, "Authorization": f"Bearer {password}"} if password else found

    @staticmethod
    def post(url: str, payload: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """POST JSON; a redirection is an error, because following it would ask and not tell."""
        known = {"Content-Type": "application/json", "User-Agent": "gammaops"}
        request = Request(url, json.dumps(payload).encode(), {**known, **headers}, method="POST")  # noqa: S310 - see _url_of
        with build_opener(_NoRedirection).open(request, timeout=TIMEOUT_S) as answer:
            answer.read()


class SlackNotifier(WebhookNotifier):
    """Posts to an incoming webhook of Slack, whose secret path is the password of the connection."""

    def notify(self, context: Context) -> None:
        """Send it.

        Raises
        ------
        OSError
            If it was not taken.
        """
        secret = (self.connection.password or "").lstrip("/")
        url = _url_of(self.connection)
        self.post(f"{url.rstrip('/')}/{secret}" if secret else url, self.payload(), {})

    def payload(self) -> Mapping[str, Any]:
        """Text in which nothing is Slack's markup; it makes links of URLs by itself."""
        text = f"{self.message.subject}\n{self.message.text}"
        for character, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
            text = text.replace(character, escaped)
        return {"text": text, "mrkdwn": False}


class MailNotifier(AlertNotifier):
    """Sends mail by Airflow's SMTP hook, to whom the extra ``to`` of the connection names."""

    def notify(self, context: Context) -> None:
        """Send it.

        Raises
        ------
        OSError
            If it was not taken; errors of SMTP are among these.
        """
        from airflow.providers.smtp.hooks.smtp import SmtpHook

        extra = self.connection.extra_dejson
        given = extra.get("to") or []
        to = [part.strip() for part in (given.split(",") if isinstance(given, str) else given) if part.strip()]
        if not to or not extra.get("from_email"):
            raise _unusable(self.connection, "names no receiver or no sender", 'the extras "to" and "from_email"')
        body = f"<pre>{html.escape(self.message.text)}</pre>"
        with SmtpHook(smtp_conn_id=self.connection.conn_id) as mail:
            mail.send_email_smtp(
                to=to,
                subject=self.message.subject,
                html_content=body,
                custom_headers={"X-Gammaops-Alert": self.message.fields["id"]},
            )


class _NoRedirection(HTTPRedirectHandler):
    """Takes no redirection, so that it becomes an `HTTPError`."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """There is none to follow."""


def notifier_of(name: str, message: Message) -> AlertNotifier:
    """The notifier for an Airflow connection, by its type.

    Parameters
    ----------
    name : str
        Id of the connection.
    message : Message
        What is to be told.

    Raises
    ------
    ConfigError
        If there is no such connection, or nothing can be told over it.
    """
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection = BaseHook.get_connection(name)
    except AirflowNotFoundException:
        raise _problem(name, "is not there", "a connection of this name in Airflow, or another in alerts") from None
    kind = connection.conn_type or ""
    if kind == "smtp":
        return MailNotifier(connection, message)
    host = urlsplit(_url_of(connection)).hostname if kind in ("http", "https") else ""
    if kind in SLACK_TYPES or host == SLACK_HOST or connection.extra_dejson.get("format") == "slack":
        return SlackNotifier(connection, message)
    if kind in ("http", "https"):
        return WebhookNotifier(connection, message)
    raise _unusable(connection, f"is of type {kind or 'none'}", KNOWN)


def _url_of(connection: Connection) -> str:
    """The URL of a connection, whose host may be a whole one."""
    host = connection.host or ""
    if not host:
        raise _unusable(connection, "has no host", "the URL as its host")
    if "://" not in host:
        scheme = connection.schema if connection.schema in ("http", "https") else "https"
        host = f"{scheme}://{host}"
    parts = urlsplit(host)
    if parts.scheme not in ("http", "https"):
        raise _unusable(connection, f"has a URL of scheme {parts.scheme}", "http or https")
    if connection.port and not parts.port:
        parts = parts._replace(netloc=f"{parts.netloc}:{connection.port}")
    return parts.geturl()


def _unusable(connection: Connection, message: str, expected: str) -> ConfigError:
    return _problem(connection.conn_id, message, expected)


def _problem(name: str, message: str, expected: str) -> ConfigError:
    return ConfigError([Problem("Airflow", 0, 0, f"connection {name}", message, expected)])
