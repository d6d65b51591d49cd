"""The page on authorization says of every RPC what the table says, row by row: who changes one changes the other."""

import re
from collections.abc import Iterator
from pathlib import Path

from hub.domain.parties import Role
from hub.rpc.policy import TABLE, Rule

PAGE = (Path(__file__).parents[3] / "docs" / "authorization.md").read_text(encoding="utf-8")
WHO = {
    "anybody, without a certificate": Rule(anonymous=True),
    "operators": Rule(operator=True),
    "any platform": Rule(unregistered=True),
    "any platform, operators": Rule(unregistered=True, also_operator=True),
    "any partner": Rule(),
    "any partner, operators": Rule(also_operator=True),
    "CPO": Rule(roles=frozenset({Role.CPO})),
    "eMSP": Rule(roles=frozenset({Role.EMSP})),
}


def rows() -> Iterator[tuple[str, str, str]]:
    """Yield method path, who may call it, and in whose name."""
    for service, rpcs, who, name in re.findall(
        r"^\| `([\w.]+)` \| (`[^|]*) \| ([^|]*) \| ([^|]*?) ?\|$", PAGE, re.MULTILINE
    ):
        package = "" if "." in service else "roamhub.v1."
        for rpc in re.findall(r"`(\w+)`", rpcs):
            yield f"/{package}{service}/{rpc}", who, name


def test_the_page_has_every_rpc_once() -> None:
    assert sorted(path for path, _, _ in rows()) == sorted(TABLE)


def test_the_page_says_what_the_table_says() -> None:
    for path, who, name in rows():
        rule, said = TABLE[path], WHO[who]
        assert (rule.roles, rule.operator, rule.also_operator, rule.anonymous, rule.unregistered) == (
            said.roles,
            said.operator,
            said.also_operator,
            said.anonymous,
            said.unregistered,
        ), path
        assert (name or None) == (f"`{rule.owner}`" if rule.owner else "each item" if rule.roles else None), path
