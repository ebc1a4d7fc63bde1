#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""typed.py bash|zsh FILE KEYS...: types each KEYS into a real shell that has loaded the completion
FILE, and prints, a line each, the words that then stand on the command line, in angle brackets.
\\t in KEYS is the tab key. Exit status 1 where the shell does not answer in time."""
import os
import pty
import re
import select
import shutil
import sys
import tempfile
import time

SECONDS = 60
SETUP = {
    "bash": (["bash", "--norc", "--noprofile", "-i"],
             "bind 'set bell-style none' 'set completion-query-items 0' 2>/dev/null; "
             "set +o history; . {file}; PS1='> '; echo rea''dy"),
    "zsh": (["zsh", "-f", "-i"],
            "bindkey -e; unsetopt beep; setopt interactivecomments; fpath=({dir} $fpath); "
            "autoload -U compinit; compinit -u -D; PS1='> '; echo rea''dy"),
}


class Shell:
    def __init__(self, argv):
        self.said = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm", LC_ALL="C.UTF-8", COLUMNS="200")
            os.execvp(argv[0], argv)

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self, pattern):
        """What the shell says, up to and with the pattern: the match, or the end of the test."""
        until = time.monotonic() + SECONDS
        while True:
            match = re.search(pattern, self.said)
            if match:
                self.said = self.said[match.end():]
                return match
            if not select.select([self.fd], [], [], max(0, until - time.monotonic()))[0]:
                sys.exit(f"no {pattern!r} in {self.said!r}")
            self.said += os.read(self.fd, 4096).decode(errors="replace")


def main():
    name, path, lines = sys.argv[1], os.path.abspath(sys.argv[2]), sys.argv[3:]
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path, folder + "/_pccbpf")
        argv, setup = SETUP[name]
        shell = Shell(argv)
        shell.type(setup.format(file=path, dir=folder) + "\n")
        shell.wait("ready\r?\n")
        for i, keys in enumerate(lines):
            # to the begin of the line, and a command in front that shows the words
            shell.type(keys.replace("\\t", "\t") + f"\x01printf '<%s>' \x05; echo '=do''ne{i}='\n")
            print(shell.wait(rf"(<[^\r\n]*>) *=done{i}=").group(1))
        shell.type("exit\n")
        os.close(shell.fd)
        os.waitpid(shell.pid, 0)


main()
