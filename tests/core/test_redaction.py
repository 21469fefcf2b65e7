"""No password, token or signature is shown, whatever its form, and nothing else is hidden."""

import copy
import os
import string

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from gym.core.errors import GymError, first_line
from gym.core.redaction import (
    HIDDEN,
    OPTIONS,
    VARIABLE,
    drop_credentials,
    hide_secrets,
    redact,
    redact_error,
    redact_values,
)

PLANTED = "pl4nted-Xy"
QUERY_NAMES = [
    *("password", "PASSWORD", "pass%77ord", "passwd", "pwd", "pass", "sslpassword", "user", "token", "access_token"),
    *("auth-token", "api_key", "apikey", "X-API-Key", "subscription-key", "sig", "signature", "Signature", "secret"),
    *("X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "x-goog-signature", "X-Goog-Credential"),
    *(
        "AWSAccessKeyId",
        "GoogleAccessId",
        "OSSAccessKeyId",
        "Key-Pair-Id",
        "client_secret",
        "jwt",
        "key",
        "odbc_connect",
    ),
]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    """Variables that a test sets are removed after it."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://me:secret@host:5432/searches", "postgresql://***@host:5432/searches"),
        ("mysql+pymysql://me:s/e@c@host/searches", "mysql+pymysql://***@host/searches"),
        ("postgresql://me:s?e@host/searches", "postgresql://***@host/searches"),
        ("postgresql://me:s?a=e@host/searches", "postgresql://***@host/searches"),
        (
            "postgresql://host/db?user=me&password=a@b&sslmode=require",
            "postgresql://host/db?user=***&password=***&sslmode=require",
        ),
        ("https://me:se/cret@host/a.zip", "https://***@host/a.zip"),
        ("https://ghp_secret@host/a@b.zip", "https://***@host/a@b.zip"),
        (
            "https://host/a.zip?next=https%3A%2F%2Fme%3Asecret%40host&x=1",
            "https://host/a.zip?next=https%3A%2F%2F***%40host&x=1",
        ),
        ("https://host/a.zip?sv=2020&sig=abc%3D#part", "https://host/a.zip?sv=2020&sig=***#part"),
        ("jdbc:sqlserver://host;user=me;password=secret;x=1", "jdbc:sqlserver://host;user=***;password=***;x=1"),
        ("see https%3A%2F%2Fme%3Asecret%40host", "see https%3A%2F%2F***%40host"),
        ("connection failed: host=h password=secret (x)", "connection failed: host=h password=*** (x)"),
        ('{"api_key": "secret", "seed": 1}', '{"api_key": "***", "seed": 1}'),
        ("header Authorization: Bearer secret", "header Authorization: Bearer ***"),
        ("http://h?token=secret cannot be downloaded", "http://h?token=*** cannot be downloaded"),
    ],
)
def test_a_secret_is_replaced_in_any_form(uri, shown):
    """The rest of the text is kept, and redacting it again changes nothing."""
    assert redact(uri) == shown
    assert redact(shown) == shown


@pytest.mark.parametrize("name", QUERY_NAMES)
def test_a_secret_in_a_query_is_known_by_its_name(name):
    """Upper case, punctuation and percent-encoding do not matter."""
    text = f"cannot open 'https://host/a.zip?part=1&{name}={PLANTED}&x=2'."
    assert redact(text) == f"cannot open 'https://host/a.zip?part=1&{name}={HIDDEN}&x=2'."


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////tmp/a@b.db",
        "http://127.0.0.1:5000",
        "https://host:8080/a@b.zip?part=1",
        "https://host/get?key=scene_1.zip",
        "https://host/get?key=12",
        "data.site_pattern='^(?P<site>[a-z]+)'",
        "model.options.token=cls tokens=3, key: value, user: me",
        "python -m gym.evaluate run=best:s outputs=o",
        "mail me@host; see a?b",
        "pip install 'git+https://host/x.git@1a#subdirectory=sub'",
        "error: data.classes=[] must name 2 to 255 classes, as in data.classes=[water,surf,sand,other].",
    ],
)
def test_a_text_without_secrets_is_unchanged(text):
    """Names that settings may have are not taken for those of secrets."""
    assert redact(text) == text
    assert hide_secrets([text]) == [text]


@given(st.text(string.ascii_letters + string.digits + "!$*+-._~/%(),:@ ", min_size=5, max_size=20))
def test_a_password_may_contain_any_character(noise):
    """In the settings of a run, where a value is a URI and nothing else."""
    password = f"{noise}{PLANTED}{noise}"
    for uri in (f"postgresql://me:{password}@host/db", f"postgresql://host/db?user=me&password={password}"):
        assert PLANTED not in redact_values({"tracking": {"uri": uri}})["tracking"]["uri"]


@given(st.text(max_size=200))
def test_any_text_can_be_redacted(text):
    """Nothing fails, and the result has no further secrets."""
    once = redact(text)
    assert redact(once) == once


def test_nested_settings_are_redacted_in_place_of_their_keys():
    """Options of a reader named like a secret are hidden whole; those of a model only if the name is beyond doubt."""
    settings = {
        "tracking": {"uri": f"http://me:{PLANTED}@host"},
        "data": {"archives": [f"https://h/a.zip?sig={PLANTED}"], "options": {"token": PLANTED, "year": 2020}},
        "model": {"options": {"token": "cls", "api_key": PLANTED}},
        "seed": 42,
    }
    before = copy.deepcopy(settings)

    assert redact_values(settings) == {
        "tracking": {"uri": "http://***@host"},
        "data": {"archives": ["https://h/a.zip?sig=***"], "options": {"token": "***", "year": 2020}},
        "model": {"options": {"token": "cls", "api_key": "***"}},
        "seed": 42,
    }
    assert settings == before


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        (f"tracking.uri=postgresql://me:{PLANTED}@host/db", f"postgresql://me:{PLANTED}@host/db"),
        (f"tracking.uri='http://host?user=me&password={PLANTED}, x]'", f"http://host?user=me&password={PLANTED}, x]"),
        (f"tracking.uri='http://host?password=it\\'s{PLANTED}'", f"http://host?password=it's{PLANTED}"),
        (f'search.storage="mysql://me:{PLANTED}@h/d?x=1"', f"mysql://me:{PLANTED}@h/d?x=1"),
        (
            f"data.archives=['https://h/a?sig={PLANTED}','https://h/b?sig={PLANTED}2']",
            [f"https://h/a?sig={PLANTED}", f"https://h/b?sig={PLANTED}2"],
        ),
        (f"+data.options={{token:{PLANTED},year:3}}", {"token": PLANTED, "year": 3}),
        (f"+data.options.token={PLANTED}", PLANTED),
        (f"+data.options.password='{PLANTED} x'", f"{PLANTED} x"),
    ],
)
def test_a_command_line_refers_to_variables_instead(argument, value):
    """Hydra sees no secret, and composes the same value."""
    (hidden,) = hide_secrets([argument])
    parsed = OverridesParser.create().parse_override(hidden)
    composed = OmegaConf.create({"value": parsed.value()})

    assert PLANTED not in hidden
    assert OmegaConf.to_container(composed, resolve=True)["value"] == value
    assert VARIABLE not in redact(hidden)
    assert hide_secrets([hidden]) == [hidden]


def test_an_interpolation_is_left_to_hydra():
    """It is no secret."""
    argument = "tracking.uri=postgresql://me:${oc.env:PASSWORD}@host/db"
    assert hide_secrets([argument]) == [argument]


def test_the_message_of_a_library_may_quote_a_secret_alone():
    """Secrets of the command line are known, also user and password apart."""
    hide_secrets([f"tracking.uri=postgresql://postgres:{PLANTED}@host/db"])

    assert (
        redact_error(f"no password {PLANTED!r} for postgres at postgresql") == "no password '***' for *** at postgresql"
    )
    assert first_line(ValueError(f"bad {PLANTED}\nmore")) == "bad ***"


def test_no_error_of_this_program_shows_a_secret():
    """Whoever raises it."""
    assert (
        str(GymError(f"data.archives=https://h/a?sig={PLANTED} is missing"))
        == "data.archives=https://h/a?sig=*** is missing"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://h/get?uid=11", "https://h/get?uid=22"),
        ("https://h/get?key=scene_20200101", "https://h/get?key=scene_20210101"),
        ("https://h/a?user=north&v=1", "https://h/a?user=south&v=1"),
        ("https://h/a?pass=ascending", "https://h/a?pass=descending"),
        ("https://h/a?sv=1", "https://h/a?sv=2"),
        ({"key": "red"}, {"key": "nir"}),
        ({"pass": "ascending", "of": ["a"]}, {"pass": "descending", "of": ["a"]}),
        ({"signature": "spectral"}, {"signature": "thermal"}),
    ],
)
def test_what_chooses_data_counts(one, other):
    """Even if a secret may have the same name."""
    assert drop_credentials(one, OPTIONS) != drop_credentials(other, OPTIONS)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://h/a.zip?token=1", "https://h/a.zip?token=2"),
        ("https://me:x@h/a.zip", "https://you:y@h/a.zip"),
        (
            "https://h/a?X-Amz-Signature=1&X-Amz-Date=5&X-Amz-Expires=7",
            "https://h/a?X-Amz-Signature=2&X-Amz-Date=6&X-Amz-Expires=8",
        ),
        ("https://h/a?sv=2020&se=2026-01-01&sig=a%3D", "https://h/a?sv=2021&se=2027-01-01&sig=b%3D"),
        ("https://h/a?access_token=1&b=2", "https://h/a?access_token=3&b=2"),
        ({"api_key": "1", "a": 2}, {"api_key": "3", "a": 2}),
        ({"token": "1"}, {"token": "2"}),
        ({"url": "https://h/a?token=1"}, {"url": "https://h/a?token=2"}),
    ],
)
def test_what_is_renewed_does_not_count(one, other):
    """The data stay the same."""
    assert drop_credentials(one, OPTIONS) == drop_credentials(other, OPTIONS)


@pytest.mark.parametrize(
    "text",
    [
        *(
            f"https://h/a.zip?{name}=S3CRETX9&b=1"
            for name in ("auth_key", "code", "pat", "ticket", "sessionid", "otp", "hmac")
        ),
        "MLFLOW_TRACKING_TOKEN=S3CRETX9",
        "PRIVATE-TOKEN: S3CRETX9",
        "Cookie: S3CRETX9",
        "sqlite:////x/k.db?auth_key=S3CRETX9",
    ],
)
def test_rarer_names_of_secrets_are_known(text):
    """In queries, settings and headers."""
    assert "S3CRETX9" not in redact(text)
