"""How the database is reached: the password beside the connection string."""

import pytest

from worker.errors import ConfigError
from worker.postgres.session import Session


def test_a_password_is_given_once() -> None:
    with pytest.raises(ConfigError, match=r"sink\.password_file: sink\.dsn has a password, too") as found:
        Session("postgresql://sink:s3cr3t@db/threads", "other")

    assert "s3cr3t" not in str(found.value)
