"""Settings of TLS, passwords and keys: contradictions are named, secrets never told."""

from pathlib import Path
from typing import Any

import pytest

from worker.config import Settings, load
from worker.errors import ConfigError
from worker.kafka.client import client_options

SECRET = "s3cr3t"
SASL = {"protocol": "sasl_ssl", "username": "worker"}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "latin").write_bytes(b"\xe9")
    for name in ("ca", "cert", "key"):
        (tmp_path / name).write_text("PEM")
    return tmp_path


def secured(security: dict[str, Any], **kafka: Any) -> Settings:
    return load(None, {"kafka": {"security": security, **kafka}})


def options(security: dict[str, Any]) -> dict[str, Any]:
    """Return what the client is told of security."""
    found = client_options(secured(security).kafka)
    return {name: given for name, given in found.items() if name.startswith(("security.", "sasl.", "ssl."))}


def test_without_security_the_client_is_told_nothing() -> None:
    assert options({}) == {}


def test_a_password_over_tls(files: Path) -> None:
    assert options({**SASL, "password_file": files / "secret", "ca_file": files / "ca"}) == {
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "worker",
        "sasl.password": SECRET,
        "ssl.ca.location": str(files / "ca"),
    }


def test_a_certificate_of_our_own_with_its_key_in_the_same_file(files: Path) -> None:
    assert options({"protocol": "ssl", "certificate_file": files / "cert", "key_password": SECRET}) == {
        "security.protocol": "ssl",
        "ssl.certificate.location": str(files / "cert"),
        "ssl.key.location": str(files / "cert"),
        "ssl.key.password": SECRET,
    }


def test_a_key_of_its_own(files: Path) -> None:
    found = options({"protocol": "ssl", "certificate_file": files / "cert", "key_file": files / "key"})

    assert found["ssl.key.location"] == str(files / "key")


def test_a_replaced_file_counts_for_the_next_client(files: Path) -> None:
    kafka = secured({**SASL, "password_file": files / "secret"}).kafka
    (files / "secret").write_text("another\r\n")

    assert client_options(kafka)["sasl.password"] == "another"


CONTRADICTIONS: list[tuple[dict[str, Any], str]] = [
    ({"protocol": "sasl_ssl"}, "needs username, and password or password_file"),
    (SASL, "needs username, and password or password_file"),
    ({"password": SECRET}, "password: of no use with protocol plaintext: set sasl_ssl"),
    ({"protocol": "ssl", "username": "worker"}, "username: of no use with protocol ssl"),
    ({"protocol": "ssl", "mechanism": "PLAIN"}, "mechanism: of no use with protocol ssl"),
    ({"protocol": "sasl_plaintext", "username": "u", "password": SECRET, "ca_file": "ca"}, "ca_file: of no use with"),
    ({"protocol": "ssl", "key_file": "key", "key_password": SECRET}, "key_file, key_password: of no use without cert"),
    ({**SASL, "password": SECRET, "password_file": "secret"}, "password and password_file: set one of them"),
    ({**SASL, "password_file": "absent"}, "kafka.security.password_file: cannot be read: No such file"),
    ({**SASL, "password_file": "empty"}, "is empty: put the secret into it"),
    ({**SASL, "password_file": "latin"}, "latin cannot be read: it is no text in UTF-8"),
    ({"protocol": "ssl", "ca_file": "absent"}, "kafka.security.ca_file: cannot be read: No such file"),
    ({"protocol": "tls"}, "kafka.security.protocol"),
]  # fmt: skip


@pytest.mark.parametrize(("security", "told"), CONTRADICTIONS)
def test_contradictions_are_named(
    files: Path, monkeypatch: pytest.MonkeyPatch, security: dict[str, Any], told: str
) -> None:
    monkeypatch.chdir(files)
    with pytest.raises(ConfigError) as found:
        secured(security)

    assert "kafka.security" in str(found.value)
    assert told in str(found.value)
    assert SECRET not in str(found.value)


@pytest.mark.parametrize("option", ["sasl.password", "ssl.key.password"])
def test_secrets_do_not_go_into_the_options(option: str) -> None:
    with pytest.raises(ConfigError, match=f"kafka.options: {option}: set kafka.security") as found:
        secured({}, options={option: SECRET})

    assert SECRET not in str(found.value)


def test_the_options_may_say_what_security_cannot(files: Path) -> None:
    kerberos = {"security.protocol": "SASL_SSL", "sasl.mechanism": "GSSAPI"}

    assert kerberos.items() <= client_options(secured({}, options=kerberos).kafka).items()


def test_security_is_said_once() -> None:
    with pytest.raises(ConfigError, match=r"kafka: options: security\.protocol: remove"):
        secured({**SASL, "password": SECRET}, options={"security.protocol": "SSL"})


@pytest.mark.parametrize(
    "variable",
    [
        "KAFKA__SECURITY",
        "KAFKA__SECURITY__PASWORD",
        "KAFKA__SECURITY__PASSWORD",
        "KAFKA__OPTIONS",
        "KAFKA",
        "REGISTRY__PASSWORD",
        "REGISTRY__PASWORD",
        "REGISTRY",
        "SINK__DSN",
        "SINK__DNS",
        "SINK",
    ],
)
@pytest.mark.parametrize("shape", ["{0}", '"{0}"', '{{"password": ["{0}"]}}', '{{"{0}', "u:{0}@h"])
def test_no_malformed_setting_tells_a_secret(variable: str, shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"THW_{variable}", shape.format(SECRET))
    try:
        found = load(None, {})
    except ConfigError as error:
        assert SECRET not in str(error)
    else:
        assert SECRET not in repr(found)


def test_settings_in_print_mask_their_secrets() -> None:
    found = secured({**SASL, "password": SECRET, "key_password": SECRET, "certificate_file": __file__})

    assert SECRET not in f"{found!r} {found} {found.model_dump_json()}"


@pytest.mark.parametrize("name", ["password", "password_file"])
def test_the_registrys_password_needs_a_name(files: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="registry: username, and password or password_file, come together"):
        load(None, {"registry": {name: str(files / "secret")}})


def test_the_registrys_password_from_a_file(files: Path) -> None:
    found = load(None, {"registry": {"username": "u", "password_file": files / "secret"}})

    assert found.registry.secret("password") == SECRET


def test_the_database_from_files(files: Path) -> None:
    found = load(None, {"sink": {"dsn_file": files / "secret", "password_file": files / "secret"}}).sink

    assert (found.secret("dsn"), found.secret("password")) == (SECRET, SECRET)


def test_the_database_is_named_once(files: Path) -> None:
    with pytest.raises(ConfigError, match="sink: dsn and dsn_file: set one of them"):
        load(None, {"sink": {"dsn": SECRET, "dsn_file": files / "secret"}})
