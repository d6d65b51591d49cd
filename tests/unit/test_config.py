"""The configuration: read strictly, checked whole, and its page printed from it."""

from pathlib import Path
from typing import Any

import pytest

from hub.cli.doctor import settings_document
from hub.config import Config, ConfigError, from_mapping, load

_PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_without_settings_every_default_holds() -> None:
    assert load(None, {}) == Config()
    assert Config().database() == "sqlite:///roamhub-data/roamhub.db"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "roamhub.toml"
    path.write_text('listen = "0.0.0.0:1"\ncalls_per_second = 5\npartner_timeout_seconds = 2\n')
    config = load(path, {"ROAMHUB_LISTEN": "[::]:2", "ROAMHUB_CONFIG": str(path), "HOME": "/"})
    assert (config.listen, config.calls_per_second, config.partner_timeout_seconds) == ("[::]:2", 5, 2.0)


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "roamhub.toml"
    path.write_text("listen = ")
    with pytest.raises(ConfigError, match=r"roamhub\.toml"):
        load(path, {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("listens", "127.0.0.1:1"),
        ("listen", "127.0.0.1"),
        ("listen", "127.0.0.1:99999"),
        ("listen", ""),
        ("metrics_listen", "somewhere"),
        ("log_format", "xml"),
        ("log_level", "LOUD"),
        ("server_names", " , "),
        ("server_names", "hub.example, two words"),
        ("server_names", "h\u00e4b.example"),
        ("server_names", "hub.example:7443"),
        ("public_endpoint", "hub.example"),
        ("public_endpoint", "hub.example:0"),
        ("public_endpoint", ":7443"),
        ("public_register_endpoint", "https://hub.example:7444"),
        ("register_listen", "127.0.0.1:7443"),
        ("journal_name", ""),
        ("journal_name", "hub.example/two words"),
        ("journal_name", "hub.example/a\n"),
        ("journal_name", "hub.example/a+b"),
        ("database_url", "mysql://hub"),
        ("database_url", "sqlite://"),
        ("database_url", "sqlite:///:memory:"),
        ("database_url", "postgresql"),
        ("database_url", "postgresql://hub:port/roamhub"),
        ("message_bytes_max", 1),
        ("calls_per_second", 1.5),
        ("calls_per_second", "many"),
        ("calls_per_second", True),
        ("calls_burst", 0),
        ("message_bytes_max", 2**31),
        ("keepalive_seconds", 2**31 - 1),
        ("drain_seconds", -1),
        ("clock_skew_seconds", -1),
        ("partner_timeout_seconds", "nan"),
        ("clearing_seconds", "inf"),
        ("data_dir", ["a"]),
        ("data_dir", ""),
    ],
)
def test_a_setting_that_cannot_be_is_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: "):
        from_mapping({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("server_names", "hub.example, *.hub.example, 192.0.2.1, 2001:db8::1, xn--hb-xka.example, hub_1"),
        ("public_endpoint", "hub.example:443"),
        ("public_endpoint", "[2001:db8::1]:7443"),
        ("register_listen", "[::]:7444"),
        ("journal_name", "hub.example/clearing"),
        ("database_url", "sqlite:////var/lib/roamhub/hub.db"),
        ("database_url", "postgresql://hub:secret@db.example:5432/roamhub?sslmode=require"),
        ("database_url", "postgresql://postgres:@/roamhub?host=/run/postgresql"),
        ("database_url", "postgresql+psycopg:///roamhub"),
        ("message_bytes_max", 65_536),
    ],
)
def test_what_operators_write_is_taken_as_it_is(name: str, value: Any) -> None:
    assert getattr(from_mapping({name: value}), name) == value


def test_a_database_that_cannot_be_is_refused_without_its_password() -> None:
    with pytest.raises(ConfigError) as refused:
        from_mapping({"database_url": "postgresql://hub:hunter2@db.example:port/roamhub"})
    assert "hunter2" not in str(refused.value)


def test_ports_that_the_system_picks_may_all_be_zero() -> None:
    from_mapping(dict.fromkeys(("listen", "register_listen", "metrics_listen"), "127.0.0.1:0"))


def test_a_variable_of_no_setting_is_an_error() -> None:
    with pytest.raises(ConfigError, match="listne: there is no such setting"):
        load(None, {"ROAMHUB_LISTNE": "127.0.0.1:1"})


def test_the_page_says_what_the_code_does() -> None:
    assert _PAGE.read_text() == settings_document()
