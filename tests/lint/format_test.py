# SPDX-License-Identifier: BSD-3-Clause
"""scripts/format tells files that are laid out from those that are not, and mends them. Prints TAP."""
import os
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.join(os.path.dirname(__file__), "../..")
GOOD = "int f(int a)\n{\n\treturn a;\n}\n"
BAD = "int f(int a) {\n  return a; }\n"

if not shutil.which("clang-format"):
    print("1..0 # SKIP no clang-format")
    sys.exit(0)

results = []
with tempfile.TemporaryDirectory() as folder:
    good, bad = os.path.join(folder, "good.c"), os.path.join(folder, "bad.c")

    def format_files(*arguments):
        return subprocess.run([os.path.join(TOP, "scripts/format"), *arguments], capture_output=True, text=True)

    shutil.copy(os.path.join(TOP, ".clang-format"), folder)
    for path, text in ((good, GOOD), (bad, BAD)):
        with open(path, "w") as f:
            f.write(text)
    done = format_files("--check", good)
    results.append(("a good file passes", done.returncode == 0 and done.stdout == ""))
    done = format_files("--check", bad, good)
    results.append(("a bad file is named", done.returncode == 1 and bad in done.stdout and good not in done.stdout))
    results.append(("checking changes nothing", open(bad).read() == BAD))
    done = format_files(bad, good)
    results.append(("formatting mends", done.returncode == 0 and open(bad).read() == GOOD and open(good).read() == GOOD))

print(f"1..{len(results)}")
for i, (name, fine) in enumerate(results, 1):
    print(f"{'ok' if fine else 'not ok'} {i} - {name}")
sys.exit(0 if all(fine for _, fine in results) else 1)
