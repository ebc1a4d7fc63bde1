#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""terminal.py COMMAND...: runs the command on a terminal of its own and, as soon as it has printed
a line with "pccbpf confirm", takes the terminal away, as a lost ssh connection does. Prints what
the command printed. Exit status 0 if the line came, 1 if not."""
import os
import pty
import sys


def main():
    pid, terminal = pty.fork()
    if pid == 0:
        # what the terminal starts is its session leader; the command is a child of the shell
        os.execvp("sh", ["sh", "-c", '"$@"; sleep 30', "sh"] + sys.argv[1:])
    said = b""
    while b"pccbpf confirm" not in said:
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            piece = b""
        if not piece:
            break
        said += piece
    os.close(terminal)  # SIGHUP to the session
    os.waitpid(pid, 0)
    sys.stdout.write(said.decode(errors="replace"))
    sys.exit(0 if b"pccbpf confirm" in said else 1)


main()
