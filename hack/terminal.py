#!/usr/bin/env python3
"""Run a command in a terminal and draw what is on the screen in the end as an SVG.

    hack/terminal.py docs/quickstart.svg make quickstart

The terminal knows what our own programs use: colours, and moving up to draw over
what was there. Nothing scrolls out of it.
"""

import fcntl
import os
import pty
import re
import struct
import sys
import termios
from xml.sax.saxutils import escape

COLUMNS = 100
COLOURS = {"30": "#6e7681", "31": "#ff7b72", "32": "#7ee787", "33": "#e3b341", "34": "#79c0ff", "35": "#d2a8ff", "36": "#76e3ea"}
SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b\][^\x07]*\x07")


def run(command):
    """What the command writes to a terminal, and its exit code."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    said = b""
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # how a terminal says that nobody is on its other side
            break
        if not chunk:
            break
        said += chunk
        os.write(1, chunk)
    return said.decode(errors="replace"), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Screen:
    def __init__(self):
        self.rows, self.row, self.column, self.style = [[]], 0, 0, ("", False)

    def write(self, text):
        at = 0
        for found in SEQUENCE.finditer(text):
            self.print(text[at : found.start()])
            self.obey(found.group(1) or "", found.group(2))
            at = found.end()
        self.print(text[at:])

    def print(self, text):
        for c in text:
            if c == "\n":
                self.row += 1
                if self.row == len(self.rows):
                    self.rows.append([])
            elif c == "\r":
                self.column = 0
            else:
                row = self.rows[self.row]
                row.extend([(" ", ("", False))] * (self.column + 1 - len(row)))
                row[self.column] = (c, self.style)
                self.column += 1

    def obey(self, arguments, verb):
        if verb == "A":
            self.row = max(0, self.row - int(arguments or 1))
        elif verb == "J":
            del self.rows[self.row + 1 :]
            del self.rows[self.row][self.column :]
        elif verb == "K":
            del self.rows[self.row][self.column :]
        elif verb == "m":
            colour, bold = self.style
            for code in arguments.split(";"):
                if code in ("", "0"):
                    colour, bold = "", False
                elif code == "1":
                    bold = True
                elif code in COLOURS:
                    colour = COLOURS[code]
                elif code == "39":
                    colour = ""
            self.style = (colour, bold)


def spans(row):
    """The row's text, cut where its style changes."""
    cut = []
    for c, style in row:
        if cut and cut[-1][1] == style:
            cut[-1][0] += c
        else:
            cut.append([c, style])
    return cut


def draw(rows):
    width, height, step = COLUMNS * 7.83 + 32, 17, 7.83
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {len(rows) * height + 52}" font-size="13" '
        'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace" fill="#e6edf3">',
        '<rect width="100%" height="100%" rx="8" fill="#0d1117"/>',
        *(f'<circle cx="{20 + 18 * i}" cy="18" r="5.5" fill="{c}"/>' for i, c in enumerate(("#ff5f57", "#febc2e", "#28c840"))),
    ]
    for number, row in enumerate(rows):
        column = 0
        for text, (colour, bold) in spans(row):
            if text.strip():
                look = (f' fill="{colour}"' if colour else "") + (' font-weight="bold"' if bold else "")
                # The length holds columns together in whatever font there is.
                lines.append(
                    f'<text xml:space="preserve" x="{16 + column * step:.1f}" y="{50 + number * height}" '
                    f'textLength="{len(text) * step:.1f}"{look}>{escape(text)}</text>'
                )
            column += len(text)
    return "\n".join([*lines, "</svg>", ""])


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    file, command = sys.argv[1], sys.argv[2:]
    said, code = run(command)
    if code != 0:
        sys.exit(f"{' '.join(command)} ended with exit code {code}: {file} stays as it was")
    screen = Screen()
    screen.write(f"\x1b[32m$\x1b[0m \x1b[1m{' '.join(command)}\x1b[0m\r\n{said}")
    while screen.rows and not screen.rows[-1]:
        screen.rows.pop()
    with open(file, "w", encoding="utf-8") as out:
        out.write(draw([row[:COLUMNS] for row in screen.rows]))


if __name__ == "__main__":
    main()
