"""Every failure raised on purpose, named by its remedy.

The loop of the worker catches these and nothing wider; anything else is our own fault and ends the process.
"""


class WorkerError(Exception):
    """The base of every error raised on purpose; its text is for an operator and holds no payload."""


class ConfigError(WorkerError):
    """The user's configuration or use: exit code 2, naming the setting, what was found and what to do."""


class RetryError(WorkerError):
    """The world outside: nothing of the transaction will be visible, and the same work may succeed later.

    The transaction is aborted, the batch forgotten and read again, within a bound.
    """


class DoubtError(RetryError):
    """As RetryError, but the transaction may have been committed or may end later: the producer is of no use any more.

    A new producer takes its place, which settles how the transaction ended.
    """


class FencedError(DoubtError):
    """As DoubtError: a newer producer of our name exists, or the broker gave ours up."""


class StuckError(DoubtError):
    """As DoubtError: the Kafka client did not come back in time."""


class FatalError(WorkerError):
    """Ours, or unknowable: the process ends with exit code 1 and loses nothing, since nothing was committed."""


class SchemaError(FatalError):
    """A record is of a schema version this release does not read: install a newer one; nothing was skipped."""


class SupersededError(WorkerError):
    """Another process holds this worker's name: end with exit code 0 and leave the work to it."""


class UnreadableError(FatalError):
    """A record's value cannot be read: an input record goes to the dead letters, a reader stops.

    Attributes:
        reason: `bad_frame`: the bytes are not what they begin like; `unknown_schema`: they were written with a schema
            that cannot be had here.
    """

    def __init__(self, reason: str, told: str) -> None:
        super().__init__(told)
        self.reason = reason
