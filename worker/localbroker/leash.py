"""Tie a process's life to ours, however ours ends."""

import subprocess

# `read` ends when the last writer of its pipe is gone, which the kernel sees to even after SIGKILL. A parent-death
# signal (Linux's prctl) would need `preexec_fn`, unsafe beside threads, and fires when the *thread* that spawned ends.
_SCRIPT = 'read -r line; kill -9 "$1"'


class Leash:
    """A sleeping shell that kills a process once we are gone.

    It lies beside `atexit`, which covers orderly ends and also removes the data.

    Args:
        pid: The process to kill: a child of ours, which we do not wait for before `release`.
    """

    def __init__(self, pid: int) -> None:
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT, "leash", str(pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Ctrl-C in a terminal goes to the whole group, and must not take the leash before us.
            start_new_session=True,
        )

    def release(self) -> None:
        """Let the process be; may be called again."""
        # The shell first: were the pipe closed first, it would take that for our death.
        self._shell.kill()
        self._shell.wait()
        if self._shell.stdin is not None:
            self._shell.stdin.close()
