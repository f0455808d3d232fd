# SPDX-License-Identifier: BSD-3-Clause
"""scripts/check-headers finds what it is for, in small trees made here. Prints TAP."""
import os
import subprocess
import sys
import tempfile

CHECK = os.path.join(os.path.dirname(__file__), "../../scripts/check-headers")

GUARDED = "#ifndef A\n#define A\n%s\n#endif"

# name of the case, the files of the tree, what the message has to hold ("" for a tree without fault)
CASES = [
    ("alone", {"lib/base/a.h": GUARDED % "#include <stdint.h>\nstruct a { uint32_t x; };"}, ""),
    ("of another folder", {"lib/base/a.h": GUARDED % "struct a { int x; };",
        "lib/net/b.h": '#include "base/a.h"\nstruct a f(void);'}, ""),
    ("unused function", {"lib/base/a.h": GUARDED % "static int f(void) { return 0; }"}, ""),
    ("include forgotten", {"lib/base/a.h": GUARDED % "struct a { uint32_t x; };"}, "lib/base/a.h does not compile alone"),
    ("no guard", {"app/x/a.h": "struct a { int x; };"}, "app/x/a.h does not compile alone"),
    ("warning", {"tests/support/a.h": GUARDED % "static inline int f(void) { }"}, "tests/support/a.h does not compile"),
    ("one of two", {"lib/base/a.h": GUARDED % "", "lib/net/b.h": "nonsense"}, "lib/net/b.h"),
    ("empty tree", {"lib/base/a.c": ""}, "no headers"),
]


def run(tree):
    with tempfile.TemporaryDirectory() as root:
        for path, text in tree.items():
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), "w") as f:
                f.write(text + "\n")
        return subprocess.run([sys.executable, CHECK, root], capture_output=True, text=True)


print(f"1..{len(CASES)}")
bad = 0
for i, (name, tree, message) in enumerate(CASES, 1):
    done = run(tree)
    good = done.returncode == (1 if message else 0) and message in done.stdout and bool(done.stdout) == bool(message)
    bad += not good
    print(f"{'ok' if good else 'not ok'} {i} - {name}")
    if not good:
        print(f"# exit {done.returncode}: {done.stdout} {done.stderr}")
sys.exit(1 if bad else 0)
