# SPDX-License-Identifier: BSD-3-Clause
"""scripts/check-layers finds what it is for, in small trees made here. Prints TAP."""
import os
import subprocess
import sys
import tempfile

CHECK = os.path.join(os.path.dirname(__file__), "../../scripts/check-layers")

# name of the case, the files of the tree, what the message has to hold ("" for a tree without fault)
CASES = [
    ("downward", {"lib/base/a.h": "", "lib/net/b.c": '#include "base/a.h"\n#include <stdio.h>'}, ""),
    ("own header", {"lib/base/a.h": "", "lib/base/a.c": '#include "a.h"'}, ""),
    ("own private header", {"lib/net/n_priv.h": "", "lib/net/n.c": '#include "net/n_priv.h"'}, ""),
    ("app sees all", {"lib/ctl/c.h": "", "app/x/main.c": '#include "ctl/c.h"\n#include <rte_ethdev.h>'}, ""),
    ("upward", {"lib/net/a.h": "", "lib/base/b.c": '#include "net/a.h"'}, "lib/base/b.c: \"net/a.h\" is not below"),
    ("sibling", {"lib/model/m.h": "", "lib/flow/f.c": '#include "model/m.h"'}, "is not below flow"),
    ("private", {"lib/net/n_priv.h": "", "lib/l4/x.c": '#include "net/n_priv.h"'}, "is private to lib/net"),
    ("foreign without folder", {"lib/base/a.h": "", "lib/net/b.c": '#include "a.h"'}, "is not in lib/net"),
    ("unknown", {"lib/base/a.c": '#  include "nowhere/a.h"'}, "is no header of lib/"),
    ("jansson", {"lib/net/a.c": "#include <jansson.h>"}, "is seen only by lib/ctl/"),
    ("ethdev", {"lib/worker/a.c": "#include <rte_ethdev.h>"}, "is seen only by lib/net/"),
    ("jansson in ctl", {"lib/ctl/a.c": "#include <jansson.h>"}, ""),
    ("openssl", {"lib/ctl/a.c": "#include <openssl/ssl.h>"}, "is seen only by lib/l7/tls"),
    ("pcre2", {"lib/l7/tls.c": "#include <pcre2.h>"}, "is seen only by lib/l7/router"),
    ("same name", {"lib/base/a.c": "", "lib/net/a.c": ""}, "the name is taken by"),
    ("same name of file and header", {"lib/base/a.h": "", "lib/net/a.c": ""}, "the name is taken by lib/base/a"),
    ("a pair", {"lib/base/a.h": "", "lib/base/a.c": ""}, ""),
    ("no layer", {"lib/misc/a.c": ""}, "no place among the layers"),
    ("empty tree", {}, "no sources"),
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
