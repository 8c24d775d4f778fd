"""What the benchmarks compute and show of what they measured."""

import argparse
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import footprint, latency, pages, plot, profile, report
from benchmarks.__main__ import MEASURES, attempt, chosen
from benchmarks.null_loop import Share
from benchmarks.programs import Run, Seen
from benchmarks.rig import SCALES, Bench, as_other, made_up

STAMP = {"at": "now", "seconds": 1, "load_before": 0.1, "load_after": 0.2}
MACHINE = {"machine": {"cores": 2}, "settings": {"scale": "small", "rounds": 1}}


@pytest.mark.parametrize(("percent", "found"), [(50, 2), (75, 3), (76, 4), (99, 4), (100, 4), (1, 1)])
def test_a_percentile_is_one_of_the_values(percent: float, found: float) -> None:
    assert report.percentile([4, 1, 3, 2], percent) == found


def test_a_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        report.percentile([], 50)


def test_a_rate_is_taken_between_the_first_commit_seen_and_the_last() -> None:
    seen = [Seen(10.0, 900, 2.0, 5.0), Seen(10.5, 400, 2.01, 5.1), Seen(11.0, 0, 2.09, 5.18)]

    run = Run.of(seen)

    assert [run.records_per_s, run.cpu_us, run.broker_us] == pytest.approx([900.0, 100.0, 200.0])


def test_one_commit_gives_no_rate() -> None:
    with pytest.raises(ValueError, match="only one commit"):
        Run.of([Seen(10.0, 0, 2.0, 5.0)])


@pytest.mark.parametrize("batches", [[7], [1] * 7, [3, 0, 4], [2, 5]])
def test_the_null_loop_writes_everything_once_and_in_order(batches: list[int]) -> None:
    share = Share(list("abcdefghijklmnopqrs"), 7)

    found = [share.of(count) for count in batches]

    assert "".join("".join(some) for some in found) == "abcdefghijklmnopqrs"
    assert all(abs(len(some) - count * 19 / 7) <= 1 for some, count in zip(found, batches, strict=True))


def test_latencies_belong_to_the_load_under_which_input_was_appended() -> None:
    samples = [(0.0, 9.0), (1_500.0, 5.0), (6_100.0, 9.0), (7_500.0, 6.0), (13_500.0, 7.0), (19_500.0, 9.0)]

    assert latency.by_load(samples, 6.0) == {0.1: [5.0], 0.5: [6.0], 0.9: [7.0]}


def test_a_made_up_thread_as_another_names_no_other() -> None:
    key, _, line = made_up(1, 5)[0]

    other, text = as_other(key, line, 3)

    assert other == made_up(4, 5)[3][0]
    assert key not in text
    assert other in text


def test_the_headline_tells_none_for_what_was_not_found() -> None:
    found = report.with_headline({"loop": {"null_ratio": 0.6}, "peers": {"error": "no Java"}})

    assert found["null_ratio"] == 0.6
    assert found["quix_ratio"] is None
    assert found["errors"] == {"peers": "no Java"}
    assert report.HEADLINE.keys() == pages.GOALS.keys()


def test_every_measure_has_its_page() -> None:
    assert pages.SECTIONS.keys() == MEASURES.keys()


def test_a_measure_that_fails_is_told_in_the_report(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    def fails(_: Bench) -> dict[str, object]:
        raise RuntimeError("no broker")

    monkeypatch.setitem(MEASURES, "scale", fails)

    found = attempt(Bench(SCALES["small"], tmp_path), "scale")  # type: ignore[arg-type]

    assert found["error"] == "RuntimeError: no broker"
    assert "Failed: `RuntimeError: no broker`" in pages.markdown(report.with_headline({"scale": found, **MACHINE}))


def test_a_page_shows_rates_beside_each_other() -> None:
    run = {"records_per_s": 1_000.0, "cpu_us": 60.5, "broker_us": 30.0, "rounds": [1_000]}
    scale = STAMP | {"one": run, "two": run | {"records_per_s": 1_800.0}, "rate_ratio": 1.8, "scale_ratio": 0.9}

    page = pages.markdown(report.with_headline({"scale": scale, **MACHINE}))

    assert "| one process | 1,000 | 60.5 | 30 | 1,000 |" in page
    assert "| `scale_ratio` | processor time of a record, one process by two | 0.9 | at least 0.87 |" in page


def test_memory_for_a_million_items_is_what_it_grew_by() -> None:
    memory = [{"records": 1_000, "memory_mb": 70.0}, {"records": 4_000, "memory_mb": 100.0}]

    assert footprint.per_million(memory, items=2_000) == 20_000


def test_measures_are_chosen_by_name_and_run_in_our_order() -> None:
    assert chosen("latency, loop") == ["loop", "latency"]
    with pytest.raises(argparse.ArgumentTypeError, match="speed not known; choose of reduce"):
        chosen("loop,speed")


def test_a_profile_counts_a_function_alone_and_with_what_it_calls() -> None:
    text = "run (worker/app.py:3);fold (worker/pipeline.py:9) 3\nrun (worker/app.py:4) 1\npoll (threading.py:1) 9\n"

    stacks = profile.stacks(text)

    assert stacks == {("run (worker/app.py)", "fold (worker/pipeline.py)"): 3, ("run (worker/app.py)",): 1}
    assert profile.by_function(stacks) == [
        {"function": "fold (worker/pipeline.py)", "own": 0.75, "with_called": 0.75},
        {"function": "run (worker/app.py)", "own": 0.25, "with_called": 1.0},
    ]
    assert profile.by_part(stacks) == {"pipeline": 0.75, "app": 0.25}


def test_latencies_that_could_not_be_seen_keep_nothing_from_being_written(tmp_path: Path) -> None:
    row = {"commit_interval_s": 0.25, "load": 0.5, "records_per_s": 10, "p50_ms": 170.0, "p99_ms": 400.0}
    late = row | {"load": 0.9, "p50_ms": None, "p99_ms": None}
    found = {"latency": STAMP | {"full_load_records_per_s": 20, "table": [row, late], "p99_ms": 400.0}, **MACHINE}

    report.write(report.with_headline(found), tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["latency.svg", "report.json", "report.md"]
    assert "| 0.25 | 90% | 10 | – | – |" in (tmp_path / "report.md").read_text("utf-8")


def test_a_section_that_cannot_be_shown_is_told_and_the_others_are_there(tmp_path: Path) -> None:
    report.write(report.with_headline({"scale": STAMP, "loop": STAMP | {"error": "no broker"}, **MACHINE}), tmp_path)

    page = (tmp_path / "report.md").read_text("utf-8")
    assert "Could not be shown: `KeyError('one')`" in page
    assert "Failed: `no broker`" in page


def test_pictures_are_well_formed_and_hold_what_they_show() -> None:
    chart = plot.chart("A < B", "x", "y", {"ours": [(0.1, 10.0), (1.0, 20.0)], "theirs": [(0.1, 30.0)]}, log_y=True)
    flame = plot.flame("Where", {("run", "fold"): 3, ("run",): 1, ("idle",): 1})

    assert ElementTree.fromstring(chart).tag.endswith("svg")  # noqa: S314 (our own)
    boxes = ElementTree.fromstring(flame).iter()  # noqa: S314 (our own)
    widths = [float(box.get("width", "0").rstrip("%")) for box in boxes if box.get("x")]
    assert "A &lt; B" in chart
    assert "fold: 60.0%" in flame
    assert max(widths) == 960.0
