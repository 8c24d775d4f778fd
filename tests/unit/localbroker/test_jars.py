"""The cache of Kafka's jars: filled once, whole or not at all."""

import re
from pathlib import Path

import pytest

from tests.unit.localbroker.programs import java_of_version, script
from worker.errors import ConfigError
from worker.localbroker.jars import KAFKA_VERSION, POM, jars_folder, kafka_jars

JAR = f"kafka_2.13-{KAFKA_VERSION}.jar"
FIND_OUTPUT = 'for given in "$@"; do case $given in -DoutputDirectory=*) out=${given#*=};; esac; done'
FETCH = f'{FIND_OUTPUT}; mkdir "$out"; echo mine > "$out/{JAR}"'


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    java_of_version(folder, "17")
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "home" / "cache"


def test_the_pom_and_the_cache_speak_of_one_version() -> None:
    named = re.search(r"<kafka\.version>(.*)</kafka\.version>", POM.read_text())

    assert named is not None
    assert named.group(1) == KAFKA_VERSION


def test_jars_are_fetched_into_a_folder_of_their_version(bin_folder: Path, cache: Path) -> None:
    script(bin_folder, "mvn", FETCH)

    folder = kafka_jars(cache, path=str(bin_folder))

    assert folder == jars_folder(cache) == cache / f"kafka-{KAFKA_VERSION}"
    assert [file.name for file in folder.iterdir()] == [JAR]
    assert list(cache.iterdir()) == [folder]


def test_jars_that_are_there_need_no_maven(bin_folder: Path, cache: Path) -> None:
    jars_folder(cache).mkdir(parents=True)

    assert kafka_jars(cache, path=str(bin_folder)) == jars_folder(cache)


def test_the_slower_of_two_processes_takes_the_jars_of_the_faster(bin_folder: Path, cache: Path) -> None:
    script(bin_folder, "mvn", f'{FETCH}; mkdir "{jars_folder(cache)}"; echo theirs > "{jars_folder(cache)}/{JAR}"')

    folder = kafka_jars(cache, path=str(bin_folder))

    assert (folder / JAR).read_text() == "theirs\n"
    assert list(cache.iterdir()) == [folder]


def test_without_maven_the_error_names_it_and_the_ways_round_it(bin_folder: Path, cache: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        kafka_jars(cache, path=str(bin_folder))

    assert str(raised.value) == (
        f"The local broker needs Maven once, to fetch Kafka {KAFKA_VERSION}: install Maven (`mvn`),"
        " or use a broker of your own: `--bootstrap-servers`, or `docker compose up`."
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("echo '[WARN] hm'; echo '[ERROR] no route'; echo '[ERROR] see above'; exit 1", "no route"),
        ("echo 'JAVA_HOME is wrong' >&2; exit 1", "JAVA_HOME is wrong"),
        ("exit 1", "it said nothing"),
        ("exit 0", "it ended well, but the broker's jar is missing"),
    ],
)
def test_a_maven_that_fails_is_quoted_and_leaves_nothing(bin_folder: Path, cache: Path, body: str, reason: str) -> None:
    script(bin_folder, "mvn", body)

    with pytest.raises(ConfigError) as raised:
        kafka_jars(cache, path=str(bin_folder))

    assert str(raised.value) == (
        f"Maven could not fetch Kafka {KAFKA_VERSION} ({reason}): check that `mvn` can download,"
        " or use a broker of your own: `--bootstrap-servers`, or `docker compose up`."
    )
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(bin_folder: Path, tmp_path: Path) -> None:
    script(bin_folder, "mvn", FETCH)
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(ConfigError, match=re.escape(f"cannot be kept in {file} (File exists)")):
        kafka_jars(file, path=str(bin_folder))
