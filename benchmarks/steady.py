"""Input at a steady rate, for the measure of latency: a program of its own, that its work be nobody else's.

    python -m benchmarks.steady SERVERS TOPIC [RATE SECONDS]…

Each rate, in records per second, lasts so many seconds. Records carry the time at which they were appended.
"""

import itertools
import sys
import time

from confluent_kafka import Producer

from benchmarks.rig import AT_ONCE, as_other, fill_options
from benchmarks.threads import lines, thread_id

_TICK_S = 0.005
_THREAD_LINES = 100


def main() -> None:
    """Send."""
    servers, topic, *steps = sys.argv[1:]
    producer = Producer(fill_options(servers) | {"linger.ms": 2})
    pairs = list(zip(map(float, steps[::2]), map(float, steps[1::2]), strict=True))
    count = int(sum(rate * seconds for rate, seconds in pairs)) + 1
    # Made beforehand: to make a line takes longer than to send it.
    texts = [list(lines(_THREAD_LINES, number)) for number in range(AT_ONCE)]
    keys = [thread_id(number).encode() for number in range(AT_ONCE)]
    sent = iter(range(count))
    for rate, seconds in pairs:
        began, done = time.monotonic(), 0
        for tick in itertools.count(1):
            due = min(int(rate * tick * _TICK_S), int(rate * seconds))
            for number in itertools.islice(sent, due - done):
                block, place = divmod(number, AT_ONCE * _THREAD_LINES)
                ordinal, thread = divmod(place, AT_ONCE)
                key, line = as_other(keys[thread], texts[thread][ordinal], block * AT_ONCE)
                producer.produce(topic, line, key, headers=[("rollout-ordinal", b"%d" % ordinal)])
            producer.poll(0)
            done = due
            if done >= int(rate * seconds):
                break
            time.sleep(max(0.0, began + tick * _TICK_S - time.monotonic()))
    producer.flush(30)


if __name__ == "__main__":
    main()
