# SPDX-License-Identifier: BSD-3-Clause
"""Each reason of lib/base/drop.def is counted, or at least named, by code of lib/. Prints TAP."""
import pathlib
import re
import sys

LIB = pathlib.Path(__file__).resolve().parents[2] / "lib"

reasons = re.findall(r"^DROP\((\w+),", (LIB / "base/drop.def").read_text(), re.M)
used = set()
for path in LIB.rglob("*.[ch]"):
    if not path.name.endswith("_test.c"):
        used.update(re.findall(r"\bDROP_(\w+)\b", path.read_text()))
print(f"1..{len(reasons) + 1}")
print(f"{'ok' if reasons else 'not ok'} 1 - there are reasons")
for i, name in enumerate(reasons, 2):
    print(f"{'ok' if name in used else 'not ok'} {i} - {name} is used")
sys.exit(0 if reasons and used.issuperset(reasons) else 1)
