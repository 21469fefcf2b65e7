"""Keep passwords, tokens and signatures out of everything that is printed, stored or sent to workers.

Secrets of a command line are moved to environment variables before Hydra reads it, so that neither its files nor the
job files of a launcher contain them. All other text is masked by `redact` before it is written.

This module imports nothing of this program, because the exceptions use it.
"""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

HIDDEN = "***"
VARIABLE = "SEGSWEEP_SECRET_"  # followed by a number
OPTIONS = "data.options"  # of a reader, which may need a token to fetch imagery

# Names of secrets, in lower case without punctuation; a name may also end in a long one, as X-Amz-Signature does.
_LONG = (
    "password|passwd|passphrase|secret|token|signature|credentials?|apikey|accesskey|accesskeyid|accessid|secretkey|"
    "privatekey|accountkey|subscriptionkey|sharedaccesskey|keypairid|authkey|authcode|passcode|jsessionid|sessionid"
)
_SHORT = (
    "user|username|usr|uid|login|pwd|pw|pass|key|sig|sas|auth|authorization|bearer|jwt|odbcconnect|code|pat|tkn|session|"
    "ticket|hmac|otp|preauth"
)
_NAMES = re.compile(rf".*(?:{_LONG})|{_SHORT}")
# Anywhere in a text, only a name that cannot be that of a setting counts.
_CLEAR = re.compile(
    r".*(?:password|passwd|passphrase|passcode|secret|apikey|accesskey|authkey|secretkey|privatekey|accountkey|"
    "(?:access|api|auth|bearer|id|private|refresh|sas|security|session|tracking)token)|pwd"
)

# Of a reader's options and of a query that says which data are wanted: names such as key or pass may choose among them.
_OPTION = re.compile(rf"{_CLEAR.pattern}|.*token|credentials?")
_RENEWED = re.compile(rf"{_OPTION.pattern}|.*signature|sig|sas")
# What is renewed with a signature: the terms of AWS, Google and Azure.
_SIGNED = re.compile(
    r"xamz\w+|xgoog\w+|s[teprvi]|s[kp]r|sip|sk[eostv]\w*|expires|policy|keypairid|awsaccesskeyid|googleaccessid"
)

_QUERY = re.compile(r"([?&;#])([^=&;#?\s'\"]{1,80})=")
_KEYWORD = re.compile(r"(?<![\w%-])([\w.+-]{2,80})(['\"]?\s*[=:]\s*['\"]?)(?=[^\s'\"])")
_MAPPING = re.compile(r"(?<=[{,\s])([\w-]{2,80})(['\"]?\s*:\s*['\"]?)(?=[^\s'\"])")
_HEADER = re.compile(
    r"(?i)(\b(?:authorization|cookie|private-token)['\"]?\s*[:=]\s*['\"]?(?:(?:basic|bearer|token)\s+)?)([^\s'\",]+)"
)
_URI = re.compile(r"([A-Za-z][\w+.-]*)://(?!/)")
_ENCODED = re.compile(r"(?i)(%3A%2F%2F)(?!%2F)[^\s'\"]*?(%40)")
_VARIABLES = re.compile(rf"\$\{{oc\.env:{VARIABLE}\d+\}}")
_WEB = ("http", "https", "ftp", "sftp", "s3", "gs", "az", "abfs", "abfss", "wasb", "wasbs", "file", "git", "ssh")
_ENDS = " \t\r\n'\"<>"  # of a URI within a text

Span = tuple[int, int]


def redact(text: str, *, is_uri: bool = False) -> str:
    """Replace user, password, token and signature by ``***`` in every URI and setting of a text.

    Args:
        text: The text.
        is_uri: Whether it is a URI and nothing else, so that a password in it may contain spaces and quotes.
    """
    text = _VARIABLES.sub(HIDDEN, text)
    text = _HEADER.sub(rf"\1{HIDDEN}", _ENCODED.sub(rf"\1{HIDDEN}\2", text))
    return _replace(text, _find_secrets(text, "\n" if is_uri else _ENDS), lambda secret: HIDDEN)


def redact_error(text: str) -> str:
    """Redact the message of a library, which may quote a secret of the command line without its URI."""
    known = [value for name, value in os.environ.items() if name.startswith(VARIABLE)]
    parts = {part for value in known for part in (value, unquote(value), *value.split(":", 1)) if len(part) > 3}
    for part in sorted(parts, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", HIDDEN, text)
    return redact(text)


def redact_values(value: Any, key: str = "") -> Any:
    """Redact the text in nested mappings and sequences, such as the settings of a run.

    Args:
        value: The value. It is not changed.
        key: Its dotted key. The whole value is secret if it is named like one, below ``data.options`` also ``token``.
    """
    if isinstance(value, Mapping):
        return {name: redact_values(of, f"{key}.{name}" if key else str(name)) for name, of in value.items()}
    if isinstance(value, list | tuple):
        return [redact_values(of, key) for of in value]
    if not isinstance(value, str) or not value:
        return value
    return HIDDEN if _is_secret_key(key) else redact(value, is_uri=_URI.match(value) is not None)


def drop_credentials(value: Any, key: str = "") -> Any:
    """Return what identifies data: a URL or options without what may be renewed, such as a token or a signature.

    Args:
        value: Text, or nested mappings and sequences of text. It is not changed.
        key: The dotted key of a value in options.
    """
    if isinstance(value, Mapping):
        return {name: drop_credentials(of, f"{key}.{name}") for name, of in value.items()}
    if isinstance(value, list | tuple):
        return [drop_credentials(of, key) for of in value]
    if not isinstance(value, str):
        return value
    if _OPTION.fullmatch(_simplify(key.rpartition(".")[2])):
        return HIDDEN
    named = [(_simplify(match[2]), _value_span(value, match.end(), f"&;#{_ENDS}")) for match in _QUERY.finditer(value)]
    is_signed = any(re.fullmatch(r".*signature|sig", name) for name, _ in named)
    spans = [span for name, span in named if _RENEWED.fullmatch(name) or (is_signed and _SIGNED.fullmatch(name))]
    for match in _URI.finditer(value):
        user = _find_user(match[1].lower().rpartition("+")[2], value, match.end(), _ENDS)
        spans += [user] if user else []
    return _replace(value, spans, lambda part: HIDDEN)


def hide_secrets(arguments: Sequence[str]) -> list[str]:
    """Move the secrets of a command line to environment variables, and refer to these variables instead.

    Workers inherit the variables, also on a cluster.
    """
    count = 0

    def hide(secret: str) -> str:
        nonlocal count
        if "${" in secret or secret == HIDDEN:
            return secret
        count += 1
        os.environ[f"{VARIABLE}{count}"] = re.sub(r"\\(['\"\\])", r"\1", secret)
        return f"${{oc.env:{VARIABLE}{count}}}"

    return [_replace(argument, _find_in_override(argument), hide) for argument in arguments]


def _find_in_override(argument: str) -> list[Span]:
    """Find the secrets of an override, whose values end at a quote, or outside quotes at a comma or bracket."""
    key, _, value = argument.partition("=")
    start = len(key) + 1
    if _is_secret_key(key.lstrip("+")) and value:
        quote = value[0] if value[0] in "'\"" and value[-1] == value[0] else ""
        return [(start + len(quote), len(argument) - len(quote))]
    spans, quoted = [], re.compile(r"'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\"")
    blanked = argument
    for match in quoted.finditer(argument):
        inner = match.start() + 1
        spans += [(inner + a, inner + b) for a, b in _find_secrets(match.group()[1:-1], "\n")]
        blanked = blanked[:inner] + "\0" * (match.end() - inner - 1) + blanked[match.end() - 1 :]
    spans += [span for span in _find_secrets(blanked, f"{_ENDS},]}}\0") if "\0" not in blanked[slice(*span)]]
    if key.lstrip("+").startswith(OPTIONS):
        spans += [(a, b) for a, b in _find_named(argument, _MAPPING, _OPTION, f"{_ENDS},}}")]
    return spans


def _is_secret_key(key: str) -> bool:
    names = _OPTION if key.startswith(f"{OPTIONS}.") else _CLEAR
    return names.fullmatch(_simplify(key.rpartition(".")[2])) is not None and "." in key


def _simplify(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", unquote(unquote(name)).lower())


def _find_secrets(text: str, ends: str) -> list[Span]:
    spans = [
        span
        for match in _QUERY.finditer(text)
        if (span := _value_span(text, match.end(), f"&;#{ends}")) and _is_secret(match[2], text[slice(*span)])
    ]
    spans += _find_named(text, _KEYWORD, _CLEAR, f"&;{ends}")
    for match in _URI.finditer(text):
        user = _find_user(match[1].lower().rpartition("+")[2], text, match.end(), ends)
        spans += [user] if user else []
    return spans


def _is_secret(name: str, value: str) -> bool:
    """Whether a value in a query is secret: by its name, or because it is an encoded URI that contains a secret."""
    simple, plain = _simplify(name), unquote(value)
    if simple == "key":  # may also name the file that is wanted
        return len(value) > 7 and not re.search(r"[./]", plain)
    return _NAMES.fullmatch(simple) is not None or (plain != value and redact(plain) != plain)


def _find_named(text: str, pattern: re.Pattern[str], names: re.Pattern[str], ends: str) -> list[Span]:
    return [
        _value_span(text, match.end(), ends)
        for match in pattern.finditer(text)
        if names.fullmatch(_simplify(match[1].rpartition(".")[2]))
    ]


def _value_span(text: str, start: int, ends: str) -> Span:
    match = re.compile(rf"(?:\$\{{[^}}]*\}}|[^{re.escape(ends)}])*").match(text, start)
    return start, match.end() if match else start


def _find_user(scheme: str, text: str, start: int, ends: str) -> Span | None:
    """Find user and password before the host of a URI, even if they contain ``/``, ``?`` or ``@``."""
    uri = text[slice(*_value_span(text, start, ends))]
    query = re.search(r"\?[\w.%-]+=", uri)
    authority = re.split(r"[/?#]", uri, maxsplit=1)[0]
    before = authority if scheme in _WEB else uri[: query.start() if query else None]
    if "@" not in before and not re.search(r":(?!\d*$)", authority):  # a colon before other than a port
        return None
    end = (before if "@" in before else uri).rfind("@")
    return (start, start + end) if end >= 0 else None


def _replace(text: str, spans: Sequence[Span], change: Any) -> str:
    """Change parts of a text. A part that overlaps an earlier one is merged with it."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        elif end > start:
            merged.append((start, end))
    for start, end in reversed(merged):
        text = text[:start] + change(text[start:end]) + text[end:]
    return text
