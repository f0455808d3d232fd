# SPDX-License-Identifier: BSD-3-Clause
"""Each line of lib/l7/relay_end.def is one of the table in docs/connection-log.md. Prints TAP."""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]

ends = re.findall(r'^RELAY_END\((\w+), "(.*)"\)$', (TOP / "lib/l7/relay_end.def").read_text(), re.M)
page = (TOP / "docs/connection-log.md").read_text()
rows = [f"| `{name}` | {text} |" for name, text in ends]
print(f"1..{len(rows) + 1}")
print(f"{'ok' if rows else 'not ok'} 1 - there are ends")
for i, row in enumerate(rows, 2):
    print(f"{'ok' if row in page else 'not ok'} {i} - {row}")
sys.exit(0 if rows and all(row in page for row in rows) else 1)
