"""Code that runs in processes of its own where archspec is not, without importing torch each time.

Importing torch takes as long as what most tests of this kind do. One process imports it and forks
for every piece of code.
"""

from __future__ import annotations

import json
import subprocess
import sys

SERVER = """
import json, os, sys, tempfile, traceback

sys.modules["archspec"] = None
for name in sys.argv[1:]:
    __import__(name)
for line in sys.stdin:
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if not child:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            status = 1
            try:
                exec(json.loads(line), {"__name__": "__main__"})
                status = 0
            except SystemExit as end:
                status = int(end.code or 0)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        _, status = os.waitpid(child, 0)
        said.seek(0)
        print(json.dumps([status, said.read().decode()]), flush=True)
"""


class Alone:
    """A process that has imported `modules`, and forks for each piece of code."""

    def __init__(self, *modules: str) -> None:
        self.command = [sys.executable, "-c", SERVER, *modules]
        self.process: subprocess.Popen[str] | None = None

    def run(self, code: str) -> None:
        """Run `code`, which may end by SystemExit(0) or by itself; what it says is its error."""
        if self.process is None:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(code) + "\n")
        self.process.stdin.flush()
        status, said = json.loads(self.process.stdout.readline())
        assert status == 0, said

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.communicate()
            self.process = None
