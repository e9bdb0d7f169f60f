"""What secrets look like: tokens by their prefix, passwords in addresses, values behind their names."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import NamedTuple

NAME = (
    r"(?:pass(?:word|wd|phrase)s?|secrets?|credentials?"
    r"|(?:api|access|account|auth|encryption|license|master|private|secret|shared[_-]?access|signing|storage"
    r"|subscription)[_-]?key"
    r"|(?:access|api|auth|bearer|bot|client|comet|github|gitlab|hub|jwt|neptune|npm|personal[_-]?access|private"
    r"|pypi|refresh|registry|secret|security|session|slack|tracking|wandb|(?<![a-z])(?:gh|hf|id|pat))"
    r"[_-]?token)"
)
"""A setting whose name ends so is not written down, whatever its value."""
DOUBTFUL = r"(?:(?<![\w-])key|(?<![a-z0-9])(?:token|pass|pwd|auth|pat))"
"""One whose name ends so is not if its value looks drawn by a machine: ``mask_token`` is no secret."""

_VALUE = (
    r"(?!\\{0,8}[\"']?(?:(?:none|null|true|false)\b|\$\{|<hidden>))"
    r"(?:\"(?:[^\"\\]|\\.){1,4096}\"|'(?:[^'\\]|\\.){1,4096}'|\\{0,8}[\"']?[^\s\"',;&]+)"
)
_IS = r"\\{0,8}[\"']?\s*(?:=>|[=:])\s*"


class Shape(NamedTuple):
    """A kind of secret.

    Attributes:
        clues: a text without any of these, in lower case, holds none; () where there is no clue.
        expression: finds it; group 1 is what stays, group 2 what is hidden.
        any_case: whether the expression is for the text in lower case, which is many times as fast as one
            that ignores case.
        drawn: whether group 2 must look drawn by a machine as well.
    """

    clues: tuple[str, ...]
    expression: re.Pattern[str]
    any_case: bool = False
    drawn: bool = False


def drawn(text: str) -> bool:
    """Whether a text looks drawn by a machine and is no word of people.

    >>> drawn("aZ81kd93Tq0LmvX2"), drawn("bert-base-uncased-v2"), drawn("[MASK]")
    (True, False, False)
    """
    if len(text) < 16 or not re.fullmatch(r"[\w+/=.~%-]+", text, re.ASCII):
        return False
    mixed = all(re.search(kind, text) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    return mixed or re.fullmatch("[0-9a-f]{32,}", text) is not None


def entropy(text: str) -> float:
    """Bits per character of a text, by how often each occurs.

    >>> entropy("abab")
    1.0
    """
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


def _shape(
    clues: str, hidden: str, before: str = "", *, any_case: bool = False, drawn: bool = False
) -> Shape:
    return Shape(tuple(clues.split()), re.compile(f"({before})({hidden})", re.DOTALL), any_case, drawn)


def _token(prefix: str, rest: str) -> Shape:
    """A token that tells what it is by one of its prefixes."""
    expression = "|".join(map(re.escape, prefix.split()))
    return _shape(prefix.lower(), f"(?:{expression}){rest}", "(?<![A-Za-z0-9])")


_PEM = r"[A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
SHAPES = (
    _shape("-----begin", rf"-----BEGIN {_PEM}.*?(?:-----END {_PEM}|\Z)"),
    # addresses: user:password@, a token instead of both, and what a query signs itself with
    _shape(
        "@",
        r"(?!\d{1,5}(?:[/?#\s]|$))(?!<hidden>@)[^\s\"'<>@]+(?:@[^\s/\"'<>?#@]+)*(?=@)(?!@sha256:)",
        r"://[^\s/:@\"'<>]{0,256}:",
    ),
    _shape("@", r"[^\s/:@\"'<>]{20,}(?=@)", "://", drawn=True),
    _shape("=", r"[^&\s\"'#]{8,}", r"[?&](?:[\w-]{0,40}signature|sig)=", any_case=True),
    _shape("=", r"[^&\s\"'#]{8,}", r"[?&](?:token|key|code|auth)=", any_case=True, drawn=True),
    _shape("hooks.slack.com discord", r"[\w/-]{16,}", r"(?:services|workflows|webhooks)/"),
    # headers
    _shape(
        "authorization",
        r"[^\s\"',]+",
        rf"authorization(?:{_IS}|[\"']\s*,\s*)[\"']?(?:(?:bearer|basic|token|digest)\s+)?",
        any_case=True,
    ),
    _shape("bearer", r"(?=[^\s\"',]*\d)[\w.~+/=-]{12,}", r"bearer\s+", any_case=True),
    _shape("cookie", r"[^\r\n\"']+", r"cookie\"?'?\s*:\s*[\"']?", any_case=True),
    # tokens by their prefix
    _token("AKIA ASIA ABIA ACCA", r"[0-9A-Z]{16}(?![0-9A-Za-z])"),
    _token("ghp_ gho_ ghu_ ghs_ ghr_", "[A-Za-z0-9]{30,}"),
    _token("github_pat_", r"\w{22,}"),
    _token("glpat- gldt- glrt- glcbt- glptt- glft- glsoat- gloas- glffct-", r"[\w.-]{20,}"),
    _token("xoxa- xoxb- xoxc- xoxd- xoxe- xoxo- xoxp- xoxr- xoxs- xoxe. xapp-", r"[\w.%-]{10,}"),
    _token("sk-ant- sk-proj- sk-svcacct- sk-admin- sk-or-v1- sk-lf- pplx- gsk_ xai- r8_", r"[\w-]{20,}"),
    _shape("sk-", r"sk-[\w-]{20,}", "(?<![A-Za-z0-9])", drawn=True),
    _token("sk-", "[0-9a-f]{32,}"),
    _token("hf_ api_org_", "[A-Za-z0-9]{30,}"),
    _token("wandb_v1_ local-", r"(?:(?<=local-)[0-9a-f]{40}|(?<=wandb_v1_)[\w-]{20,})"),
    _token("AIza", r"[\w-]{35}"),
    _token("GOCSPX- ya29.", r"[\w-]{20,}"),
    _token("sk_live_ sk_test_ rk_live_ rk_test_ whsec_", r"\w{16,}"),
    _token("npm_", "[A-Za-z0-9]{36}"),
    _token("pypi-", r"[\w-]{50,}"),
    _token("dckr_pat_ pcsk_ dop_v1_ doo_v1_ lin_api_ hvs. dp.pt.", r"[\w-]{20,}"),
    _token("dapi pul-", "[0-9a-f]{32,40}"),
    _token("SG.", r"[\w-]{16,}\.[\w-]{16,}"),
    _token("AGE-SECRET-KEY-", "[0-9A-Z]{20,}"),
    _shape("eyj", r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}(?:\.[\w-]*)?", "(?<![A-Za-z0-9])"),
    _shape("eyjhcglf", r"eyJhcGlf[\w+/=-]{20,}", "(?<![A-Za-z0-9])"),
    _shape("q~", r"\w{3}\dQ~[\w~.-]{31,34}", "(?<![A-Za-z0-9])"),
    _shape("==", r"[A-Za-z0-9+/]{86}==", r"(?:(?<![A-Za-z0-9+/=-])|(?<=\n[+-]))"),
    # a value behind the name of a secret: settings, JSON, connection strings, options of a command
    _shape("pass secret credential key token", _VALUE, NAME + _IS, any_case=True),
    _shape("--", r"(?!-)[^\s\"',]+", rf"(?<![\w-])--[\w-]{{0,64}}?{NAME}[\"']?,?\s+[\"']?", any_case=True),
    _shape("pwd", r"(?![/~.])[^\s\"',;&]+", r"(?<![A-Za-z0-9_])pwd\s*=\s*", any_case=True),
    _shape(
        "key token pass pwd auth pat",
        r"[\w+/=.~%-]{16,}",
        rf"{DOUBTFUL}{_IS}\\{{0,8}}[\"']?",
        any_case=True,
        drawn=True,
    ),
    _shape("password", r"\S+", r"\blogin\s+\S+\s+password\s+", any_case=True),
)

_AWS_SECRET = re.compile(r"(?:(?<![A-Za-z0-9+/=])|(?<=\n\+))[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])")
_PEM_LINE = re.compile(r"^([+\- ]?[ \t]*)([A-Za-z0-9+/]{60,76}={0,2})$", re.MULTILINE)


def nameless(text: str, hidden: str) -> str:
    """`text` without what only its looks tell: AWS's secrets, and lines of a key whose frame is not shown."""
    if len(text) < 40:
        return text
    least = 4.0 if re.search(r"(?<![A-Z0-9])A(?:KI|SI|BI|CC)A|(?i:aws)", text) else 4.5

    def secret(found: re.Match[str]) -> str:
        return hidden if drawn(found[0]) and entropy(found[0]) > least else found[0]

    def line(found: re.Match[str]) -> str:
        return f"{found[1]}{hidden}" if drawn(found[2]) and entropy(found[2]) > 4.5 else found[0]

    text = _AWS_SECRET.sub(secret, text)
    return _PEM_LINE.sub(line, text) if "\n" in text else text
