"""Alerts sent to receivers on loopback, and what becomes of those that are not taken."""

from __future__ import annotations

import json
import smtplib
from email import message_from_string
from email.header import decode_header, make_header
from urllib.error import HTTPError, URLError

import pytest

from gammaops.alerts import message_of
from gammaops.alerts.rules import Alert
from gammaops.errors import ConfigError
from gammaops.orchestration.notifiers import AlertNotifier, MailNotifier, SlackNotifier, WebhookNotifier, notifier_of

pytestmark = pytest.mark.requirement("R26")

HOSTILE = "{{ 7 * 7 }} <!channel> <b>&\r\nBcc: all@example.org"
ALERT = Alert(
    rule="flare",
    kind="flux",
    what="flux of pks2155 (0.5 to 7 TeV) 3.15e-10 ± 0.11e-10 cm-2 s-1 from 2006-07-29 21:25 to 21:53 UTC",
    tell=("shift",),
    value=3.15e-10,
    error=1.1e-11,
    unit="cm-2 s-1",
    threshold="3e-11 cm-2 s-1",
    details=("12 of 15 bins are above it.",),
)
ABOUT = {
    "analysis": "pks",
    "nights": ["2006-07-29"],
    "run": "scheduled__1, v001",
    "verdict": "pks, night 2006-07-29: GOOD: 15 expected: 15 done",
    "link": "http://airflow.example.org/dags/pks/runs/scheduled__1/plugin/gammaops-products",
    "report": "file:///store/runs/pks/1/v001/report.html",
}
MESSAGE = message_of(ALERT, **ABOUT)
TEXT = """\
flux of pks2155 (0.5 to 7 TeV) 3.15e-10 ± 0.11e-10 cm-2 s-1 from 2006-07-29 21:25 to 21:53 UTC
12 of 15 bins are above it.
Threshold: 3e-11 cm-2 s-1
Analysis: pks
Night: 2006-07-29
Run: scheduled__1, v001
Verdict: pks, night 2006-07-29: GOOD: 15 expected: 15 done
Report: http://airflow.example.org/dags/pks/runs/scheduled__1/plugin/gammaops-products
Stored as: file:///store/runs/pks/1/v001/report.html"""
SUBJECT = "pks, night 2006-07-29: flare: flux above 3e-11 cm-2 s-1"


@pytest.fixture
def connect(monkeypatch):
    """Makes an Airflow connection called `shift`, in the environment."""

    def make(conn_type: str, host: str = "", extra: dict | None = None, **more: object) -> None:
        known = {"conn_type": conn_type, "host": host, "extra": extra or {}, **more}
        monkeypatch.setenv("AIRFLOW_CONN_SHIFT", json.dumps(known))

    return make


def send(message=MESSAGE) -> AlertNotifier:
    notifier = notifier_of("shift", message)
    notifier({})
    return notifier


def test_a_message_says_what_a_shifter_needs():
    assert MESSAGE.subject == SUBJECT
    assert MESSAGE.text == TEXT


def test_a_webhook_gets_it_as_json(connect, web):
    connect("http", f"{web.url}/hook", password="sesame")  # noqa: S106 - of a test
    assert isinstance(send(), WebhookNotifier)
    ((path, headers, body),) = web.posts
    assert path == "/hook"
    assert headers["Content-Type"] == "application/json"
    assert headers["Authorization"] == "Bearer sesame"
    assert headers["Idempotency-Key"] == ALERT.digest
    assert json.loads(body) == {
        "id": ALERT.digest,
        "subject": SUBJECT,
        "text": TEXT,
        "rule": "flare",
        "kind": "flux",
        "what": ALERT.what,
        "details": ["12 of 15 bins are above it."],
        "value": 3.15e-10,
        "error": 1.1e-11,
        "unit": "cm-2 s-1",
        "threshold": "3e-11 cm-2 s-1",
        "analysis": "pks",
        "nights": ["2006-07-29"],
        "run": "scheduled__1, v001",
        "verdict": ABOUT["verdict"],
        "link": ABOUT["link"],
        "report": ABOUT["report"],
    }


def test_a_webhook_may_be_given_in_parts(connect, web):
    connect("http", "127.0.0.1", port=web.server_address[1], schema="http", login="shift", password="sesame")  # noqa: S106
    send()
    ((path, headers, _),) = web.posts
    assert path in ("", "/")
    assert headers["Authorization"] == "Basic c2hpZnQ6c2VzYW1l"


@pytest.mark.parametrize(
    ("conn_type", "extra"), [("slackwebhook", {}), ("slackincomingwebhook", {}), ("http", {"format": "slack"})]
)
def test_slack_gets_text_without_markup(connect, web, conn_type, extra):
    connect(conn_type, f"{web.url}/services", extra, password="T0/B0/secret")  # noqa: S106 - of a test
    assert isinstance(send(), SlackNotifier)
    ((path, headers, body),) = web.posts
    assert path == "/services/T0/B0/secret"
    assert "Authorization" not in headers
    assert json.loads(body) == {"text": f"{SUBJECT}\n{TEXT}", "mrkdwn": False}


def mailing(connect, mail, **extra: object) -> None:
    plain = {"disable_ssl": True, "disable_tls": True, "from_email": "gammaops@example.org", "retry_limit": 0}
    connect("smtp", "127.0.0.1", {**plain, "to": "shift@example.org, pi@example.org", **extra}, port=mail.port)


def test_mail_goes_to_whom_the_connection_names(connect, mail):
    mailing(connect, mail)
    assert isinstance(send(), MailNotifier)
    ((sender, receivers, text),) = mail.mails
    assert "gammaops@example.org" in sender
    assert [address.strip("<>") for address in receivers] == ["shift@example.org", "pi@example.org"]
    parsed = message_from_string(text)
    assert str(make_header(decode_header(parsed["Subject"]))) == SUBJECT
    assert parsed["X-Gammaops-Alert"] == ALERT.digest
    (part,) = parsed.get_payload()
    assert part.get_payload(decode=True).decode() == f"<pre>{TEXT}</pre>"


def test_what_people_have_written_is_data_everywhere(connect, web, mail):
    hostile = message_of(Alert("r", "failed", HOSTILE, ("shift",)), analysis="pks", nights=[], run=HOSTILE)
    connect("http", web.url)
    send(hostile)
    connect("slackwebhook", web.url)
    send(hostile)
    mailing(connect, mail)
    send(hostile)
    plain, slack = (json.loads(body) for _, _, body in web.posts)
    assert plain["what"] == HOSTILE
    assert plain["text"] == (
        "{{ 7 * 7 }} <!channel> <b>& Bcc: all@example.org\nAnalysis: pks\n"
        "Run: {{ 7 * 7 }} <!channel> <b>& Bcc: all@example.org"
    )
    assert slack["text"].splitlines()[1] == "{{ 7 * 7 }} &lt;!channel&gt; &lt;b&gt;&amp; Bcc: all@example.org"
    ((_, receivers, text),) = mail.mails
    assert len(receivers) == 2
    parsed = message_from_string(text)
    assert parsed["Bcc"] is None
    html = parsed.get_payload()[0].get_payload(decode=True).decode()
    assert html.startswith("<pre>{{ 7 * 7 }} &lt;!channel&gt; &lt;b&gt;&amp; Bcc: all@example.org\n")
    for kind in (WebhookNotifier, SlackNotifier, MailNotifier):
        assert kind.template_fields == ()


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_answer_that_is_no_success_is_an_error_to_try_again(connect, web, status):
    connect("http", web.url)
    web.answers.append(status)
    with pytest.raises(HTTPError, match=str(status)) as refused:
        send()
    assert isinstance(refused.value, OSError), "which is what retries"
    assert web.posts == [], "a redirection is not followed: it would ask, and not tell"


def test_nobody_there_is_an_error_to_try_again(connect):
    connect("http", "http://127.0.0.1:9")
    with pytest.raises(URLError):
        send()
    connect("smtp", "127.0.0.1", {"disable_ssl": True, "from_email": "a@b", "to": "c@d", "retry_limit": 0}, port=9)
    with pytest.raises(OSError, match="refused"):
        send()
    assert issubclass(smtplib.SMTPException, OSError)


@pytest.mark.parametrize(
    ("conn_type", "host", "extra", "said"),
    [
        ("postgres", "db", {}, "connection shift: is of type postgres; expected one of the types http"),
        ("http", "", {}, "connection shift: has no host; expected the URL as its host"),
        ("http", "file:///etc/passwd", {}, "connection shift: has a URL of scheme file; expected http or https"),
        ("smtp", "mail", {"from_email": "a@b"}, 'names no receiver or no sender; expected the extras "to" and "from_'),
    ],
)
def test_a_connection_that_cannot_tell_is_refused_in_words(connect, conn_type, host, extra, said):
    connect(conn_type, host, extra)
    with pytest.raises(ConfigError) as refused:
        send()
    assert said in str(refused.value)


def test_a_connection_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match="connection nobody: is not there; expected a connection of this name"):
        notifier_of("nobody", MESSAGE)


def test_secrets_are_not_in_what_an_error_says(connect, web):
    connect("slackwebhook", f"{web.url}/services", password="T0/B0/secret")  # noqa: S106 - of a test
    web.answers.append(404)
    with pytest.raises(HTTPError) as refused:
        send()
    assert "secret" not in f"{refused.value} {refused.value!r}"
