"""Every failure raised on purpose, named by its remedy.

The loop of the worker catches these and nothing wider; anything else is our own fault and ends the process.
"""


class WorkerError(Exception):
    """The base of every error raised on purpose; its text is for an operator and holds no payload."""


class ConfigError(WorkerError):
    """The user's configuration or use: exit code 2, naming the setting, what was found and what to do."""


class TransientError(WorkerError):
    """The world outside: the same work may succeed later, so it is retried within a bound."""


class AbortError(WorkerError):
    """The transaction must be aborted and the batch read again from the committed offsets."""


class FatalError(WorkerError):
    """Ours, or unknowable: the process ends with exit code 1 and loses nothing, since nothing was committed."""


class SupersededError(WorkerError):
    """Another process holds this worker's name: end with exit code 0 and leave the work to it."""
