"""Settings that cannot be read: named as a person set them, with what to do."""

from typing import Any

import pytest

from worker.config import load
from worker.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"grup": "g"}, "grup: unknown setting, did you mean group?"),
        ({"loop": {"pol_s": 1}}, "loop.pol_s: unknown setting, did you mean loop.poll_s?"),
        ({"kafka": {"security": {"passwort": "s3cr3t"}}}, "kafka.security.passwort: unknown setting, did you mean "),
        ({"xyzzy": "s3cr3t"}, "xyzzy: unknown setting"),
    ],
)
def test_an_unknown_setting_is_told_with_the_one_that_may_be_meant(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(None, given)

    assert str(refused.value).startswith(told)
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("THW_PROJECTIONS", """lists are JSON: THW_PROJECTIONS='["thread_item"]'"""),
        ("THW_LOOP", "set what is in a group one by one, as THW_LOOP__POLL_S=0.1"),
    ],
)
def test_a_variable_that_must_be_json_says_so(monkeypatch: pytest.MonkeyPatch, name: str, told: str) -> None:
    monkeypatch.setenv(name, "thread_item")
    with pytest.raises(ConfigError) as refused:
        load(None, {})

    assert str(refused.value).endswith(told)
