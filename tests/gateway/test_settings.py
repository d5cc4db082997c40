"""Settings: working defaults, a file, variables over it, secrets from files; what is wrong is told in one line."""

from __future__ import annotations

import tomllib
from datetime import date, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.quantities import SocketAddress, format_duration, format_size, parse_duration, parse_size
from gateway.settings import Settings, find, load
from gateway.settings_errors import SettingsError
from tickets.priority import MATRIX, Level, Priority


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "otklik.toml"


def read(file: Path, text: str, **environ: str) -> Settings:
    file.write_text(text, encoding="utf-8")
    return load(file, environ)


def refused(file: Path, text: str, **environ: str) -> str:
    """The one line a wrong setting is answered with, the file's folder left out."""
    with pytest.raises(SettingsError) as error:
        read(file, text, **environ)
    line = str(error.value)
    assert "\n" not in line
    return line.replace(f"{file.parent}/", "")


def test_nothing_has_to_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load(None, {})
    assert settings.database.url == f"sqlite:///{tmp_path}/otklik.sqlite"
    assert settings.http.listen == SocketAddress("127.0.0.1", 8080)
    assert settings.relays == ("local",)
    assert settings.mail.answers == "support@localhost"
    assert settings.mail.message_domain == "localhost"
    assert settings.calendars["default"].iso_week == {day: [(time(9), time(18))] for day in range(1, 6)}
    assert settings.calendars["24x7"].iso_week == {day: [(time(0), time(0))] for day in range(1, 8)}
    assert settings.matrix == MATRIX


def test_a_file_sets_what_it_names(file: Path) -> None:
    settings = read(
        file,
        """
        [site]
        prefix = "MSK"
        [smtp]
        listen = "[::1]:25"
        max_size = "10 MiB"
        [mail]
        sender = "help@desk.example.ru"
        relays = ["spare", "main"]
        [relay.main]
        host = "smtp.example.ru"
        tls = "starttls"
        [relay.spare]
        [outbox]
        quick = ["5 s", "1 h 30 min"]
        [calendars.vvo]
        zone = "Asia/Vladivostok"
        week = {mon = ["09:00-13:00", "14:00-24:00"]}
        days_off = [2026-12-30]
        [calendars.vvo.short_days]
        2026-12-31 = ["09:00-13:00"]
        [priorities]
        low.high = "critical"
        [[rules]]
        name = "Printers"
        when = { text_contains = ["принтер"] }
        then = { category = "printing" }
        """,
    )
    assert settings.site.prefix == "MSK"
    assert settings.smtp.listen == SocketAddress("::1", 25)
    assert settings.smtp.max_size == 10 * 2**20
    assert settings.mail.message_domain == "desk.example.ru"
    assert settings.relays == ("spare", "main")
    assert settings.outbox.quick == [timedelta(seconds=5), timedelta(minutes=90)]
    vvo = settings.calendars["vvo"]
    assert vvo.iso_week == {1: [(time(9), time(13)), (time(14), time(0))]}
    assert vvo.days_off == [date(2026, 12, 30)]
    assert vvo.short_days == {date(2026, 12, 31): [(time(9), time(13))]}
    assert "default" in settings.calendars
    assert settings.matrix[Level.LOW, Level.HIGH] is Priority.CRITICAL
    assert settings.rules[0]["name"] == "Printers"


def test_variables_win_over_the_file(file: Path) -> None:
    settings = read(
        file,
        '[http]\nlisten = "127.0.0.1:1"\n[relay.main]\nport = 25\n',
        OTKLIK_HTTP__LISTEN="0.0.0.0:80",
        OTKLIK_RELAY__MAIN__PORT="587",
        OTKLIK_RELAY__MAIN__VERIFY="false",
        OTKLIK_SMTP__DOMAINS="example.ru, desk.example.ru",
        OTKLIK_OUTBOX__QUICK='["5 s"]',
        OTKLIK_MAIL__REPLY_KEYS='{k1 = "0123456789abcdef"}',
        OTKLIK_SERVICE_HOST="10.0.0.1",
        OTKLIK_FAULTS="",
    )
    assert settings.http.listen == SocketAddress("0.0.0.0", 80)
    assert settings.relay["main"].port == 587
    assert settings.relay["main"].verify is False
    assert settings.smtp.domains == ["example.ru", "desk.example.ru"]
    assert settings.outbox.quick == [timedelta(seconds=5)]
    assert list(settings.mail.reply_keys) == ["k1"]


@pytest.mark.parametrize(
    "text, environ",
    [
        ('[relay.main]\nusername = "u"\npassword_file = "secrets/password"', {}),
        ('[relay.main]\nusername = "u"', {"OTKLIK_RELAY__MAIN__PASSWORD_FILE": "secrets/password"}),
        ('[relay.main]\nusername = "u"', {"OTKLIK_RELAY__MAIN__PASSWORD": "сорок два"}),
    ],
)
def test_a_secret_may_come_from_a_file_of_its_own(file: Path, text: str, environ: dict[str, str]) -> None:
    (file.parent / "secrets").mkdir()
    (file.parent / "secrets/password").write_text("сорок два\n", encoding="utf-8")
    settings = read(file, text, **environ)
    assert settings.relay["main"].password.get_secret_value() == "сорок два"
    assert "сорок" not in repr(settings)


def test_reply_keys_may_each_come_from_a_file(file: Path) -> None:
    (file.parent / "k2").write_text("fedcba9876543210")
    settings = read(file, '[mail.reply_keys]\nk1 = "0123456789abcdef"\nk2_file = "k2"')
    assert [key.get_secret_value() for key in settings.mail.reply_keys.values()] == [
        "0123456789abcdef",
        "fedcba9876543210",
    ]


@pytest.mark.parametrize(
    "given, url, shown",
    [
        ("sqlite:////var/lib/otklik.sqlite", "sqlite:////var/lib/otklik.sqlite", None),
        ("postgresql://o:p%40ss@db/otklik", "postgresql+asyncpg://o:p%40ss@db/otklik", "o:***@db"),
        ("postgres://o@/otklik?host=/run/pg", "postgresql+asyncpg://o@/otklik?host=/run/pg", "postgresql://o@/otklik"),
    ],
)
def test_a_database_is_named_by_its_url(file: Path, given: str, url: str, shown: str | None) -> None:
    database = read(file, f'[database]\nurl = "{given}"').database
    assert database.url == url
    assert (shown or url) in database.shown
    assert "p%40ss" not in database.shown
    assert "p%40ss" not in repr(database)


def test_relative_paths_start_at_the_settings_file(file: Path) -> None:
    (file.parent / "texts").mkdir()
    settings = read(file, '[database]\nurl = "sqlite:///data/o.sqlite"\n[templates]\nfolder = "texts"')
    assert settings.database.url == f"sqlite:///{file.parent}/data/o.sqlite"
    assert settings.templates.folder == file.parent / "texts"


WRONG = {
    "[smtp]\nmax_sise = 5": "otklik.toml:2: smtp.max_sise: there is no such key; did you mean max_size?",
    "[smpt]\n": "otklik.toml:1: smpt: there is no such key; did you mean smtp?",
    '[templates]\nquux = ""': "otklik.toml:2: templates.quux: there is no such key; known here: folder",
    '[smtp]\nmax_size = "5 elephants"': "otklik.toml:2: smtp.max_size: expected a size such as "
    '"25 MB" or "512 KiB"; got "5 elephants"',
    '\n\n[outbox]\nevery = "1"': "otklik.toml:4: outbox.every: expected a duration such as "
    '"30 s", "5 min", "1 h 30 min" or "3 days"; got "1"',
    '[outbox]\nlease = "0"': 'otklik.toml:2: outbox.lease: expected a duration longer than zero; got "0"',
    '[outbox]\nquick = ["1 s", 2]': "otklik.toml:2: outbox.quick[2]: expected a duration such as "
    '"30 s", "5 min", "1 h 30 min" or "3 days"; got 2',
    "[outbox]\nattempts = 0": "otklik.toml:2: outbox.attempts: expected 1 or more; got 0",
    '[outbox]\nattempts = "many"': 'otklik.toml:2: outbox.attempts: expected a whole number; got "many"',
    "[serve]\nonly = [true]": (
        "otklik.toml:2: serve.only[1]: expected 'http', 'smtp', 'imap', 'worker' or 'clock'; got true"
    ),
    "[http]\nlisten = 80": "otklik.toml:2: http.listen: "
    'expected an address and a port such as "127.0.0.1:8080"; got 80',
    '[site]\nzone = "Europe/Moskow"': 'otklik.toml:2: site.zone: expected an IANA time zone such as "Europe/Moscow"; '
    'got "Europe/Moskow"',
    '[mail]\nsender = "a@b.ru\\r\\nBcc: c@d.ru"': "otklik.toml:2: mail.sender: expected a mailbox such as "
    '"support@example.ru"; got "a@b.ru\\r\\nBcc: c@d.ru"',
    '[mail]\nname = "Desk\\r\\nBcc: c@d.ru"': "otklik.toml:2: mail.name: expected a text of one line; "
    'got "Desk\\r\\nBcc: c@d.ru"',
    '[mail]\nsender = "servicedesk@example.ru"': "otklik.toml:1: mail: expected a reply_mailbox with at most 8 "
    "characters "
    "before the @, because a reply token is put behind it (servicedesk@example.ru is too long; "
    'such as "reply@example.ru")',
    '[mail]\nrelays = ["x"]': "otklik.toml:2: mail.relays[1]: there is no [relay.x]; known: local",
    '[smtp]\ncertificate = "no.pem"': "otklik.toml:2: smtp.certificate: expected the path of a file that exists; "
    'got "no.pem"',
    '[relay.main]\nport = 25\nusername = "u"': "otklik.toml:1: relay.main: "
    "expected username and password together, or neither",
    '[calendars.x]\nweek = {mon = ["9-18"]}': "otklik.toml:2: calendars.x.week.mon[1]: "
    'expected hours such as "09:00-18:00"; got "9-18"',
    '[calendars.x]\nweek = {monday = ["09:00-18:00"]}': "otklik.toml:2: calendars.x.week.monday: "
    "expected 'mon', 'tue', 'wed', 'thu', 'fri', 'sat' or 'sun'; got \"monday\"",
    '[priorities]\nhigh.low = "urgent"': "otklik.toml:2: priorities.high.low: "
    "expected 'critical', 'high', 'normal' or 'low'; got \"urgent\"",
    "site = 5": "otklik.toml:1: site: expected a table; got 5",
    "[site\nprefix": "otklik.toml:1: this is not TOML: Expected ']' at the end of a table declaration",
    '[[rules]]\n[[rules]]\nname = ""': "otklik.toml:1: rules[1].name: "
    'expected a short text that people will read in reasons; add name = "…"',
}


@pytest.mark.parametrize("text, line", WRONG.items())
def test_a_wrong_setting_is_answered_in_one_line(file: Path, text: str, line: str) -> None:
    assert refused(file, text) == line


@pytest.mark.parametrize(
    "variable, value, line",
    [
        ("OTKLIK_DATABASE_URL", "x", "there is no such variable; did you mean OTKLIK_DATABASE__URL?"),
        ("OTKLIK_DATABASE__URLL", "x", "database.urll: there is no such key; did you mean url?"),
        ("OTKLIK_SMTP__MAX_SIZE", "\n", 'smtp.max_size: expected a size such as "25 MB" or "512 KiB"; got "\\n"'),
        ("OTKLIK_SITE__NAME__FIRST", "x", "site.name: this is one value, nothing can stand below it"),
    ],
)
def test_a_wrong_variable_is_named(file: Path, variable: str, value: str, line: str) -> None:
    assert refused(file, '[site]\nname = "x"', **{variable: value}) == f"{variable}: {line}"


SECRET = "hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f'[database]\nurl = "mysql://root:{SECRET}@db/x"',
        f'[relay.main]\npassword = ["{SECRET}"]',
        f'[relay.main]\npasword = "{SECRET}"',
        f'[relay.main]\npassword = "{SECRET}"',
        f'[mail]\nreply_keys = {{k1 = "{SECRET}"}}',
        f'[mail]\nreply_keys = "{SECRET}"',
        f'[relay.main]\npassword = "{SECRET}"\npassword_file = "x"',
        f'[relay.main]\nhost = ""\nusername = "u"\npassword = "{SECRET}"',
    ],
)
def test_no_complaint_shows_a_secret(file: Path, text: str) -> None:
    assert SECRET not in refused(file, text)


@pytest.mark.parametrize(
    "content, problem",
    [
        (None, "cannot be read: No such file or directory"),
        (b"[site]\nname = '\xd1\xf2'\n", "is not UTF-8 at byte 15; save it as UTF-8"),
    ],
)
def test_an_unreadable_file_is_named(file: Path, content: bytes | None, problem: str) -> None:
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=f"{file}: {problem}"):
        load(file, {})


def test_a_byte_order_mark_and_dos_line_ends_do_no_harm(file: Path) -> None:
    file.write_bytes('\ufeff[site]\r\nname = "Отклик"\r\n'.encode())
    assert load(file, {}).site.name == "Отклик"


@given(st.text(max_size=200))
def test_whatever_a_file_holds_the_answer_is_settings_or_one_line(text: str) -> None:
    try:
        tree = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return
    try:
        Settings.model_validate(tree)
    except ValueError:
        return
    assert not set(tree) - set(Settings.model_fields)


def test_the_file_is_looked_for_in_three_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find(None, {}) is None
    (tmp_path / "otklik.toml").touch()
    assert find(None, {}) == Path("otklik.toml")
    assert find(None, {"OTKLIK_CONFIG": "other.toml"}) == Path("other.toml")
    assert find(Path("mine.toml"), {"OTKLIK_CONFIG": "other.toml"}) == Path("mine.toml")


@given(st.integers(0, 10 * 366 * 86_400_000))
def test_a_written_duration_reads_back(milliseconds: int) -> None:
    value = timedelta(milliseconds=milliseconds)
    if value <= timedelta(days=3660):
        assert parse_duration(format_duration(value)) == value


@given(st.integers(0, 10**12 - 1))
def test_a_written_size_reads_back(size: int) -> None:
    assert parse_size(format_size(size)) == size
