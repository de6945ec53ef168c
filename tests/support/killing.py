"""Kill a process of ours at a chosen step, as a power cut or `kill -9` would.

In: what to do, and before which call it ends. Out: whether it was killed. The process is a fork:
open connections are to be closed before.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys


def killed_at(step, work):
    """Run `work` in a process that dies by SIGKILL before its name-changing call number `step`.

    Return False when it ended before.
    """
    child = os.fork()
    if not child:
        calls = itertools.count(1)
        names = ("os.rename", "os.rmdir")

        def die(event, _arguments):
            if event in names and step == next(calls):
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(die)
        failed = 1
        try:
            work()
            failed = 0
        finally:
            os._exit(failed)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or 0 == os.waitstatus_to_exitcode(status)
    return os.WIFSIGNALED(status)
