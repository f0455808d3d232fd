# SPDX-License-Identifier: BSD-3-Clause
"""What scripts/test runs; see there. Counts come from what the test programs reported, one by one: TAP lines and
exit statuses through meson's log, pytest's JUnit file, and one for each lint check and each run of a fuzz target."""
import argparse
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
SUITES = ["unit", "packet", "tcp", "fuzz", "scripts", "bench"]
ASAN_SUITES = ["unit", "packet", "tcp", "fuzz", "bench"]
STAGES = ["lint", *SUITES, "asan", "clang", "e2e"]
QUICK = ["lint", *SUITES]
# Tests of what a machine may not have; others skip themselves only where we are not root.
MAY_SKIP = {"test_nic_is_with_the_kernel"}
FUZZ_SECONDS = 20
E2E_SECONDS = 1500


class Result:
    def __init__(self):
        self.passed, self.skipped, self.failed = 0, 0, []

    def add(self, name, good, why=""):
        if good:
            self.passed += 1
        else:
            self.failed.append(f"{name}: {why}" if why else name)

    def junit(self, path, prefix):
        """Counts the test cases of a JUnit file; returns the names of suites and of cases that failed."""
        failures = set()
        for suite in ElementTree.parse(path).iter("testsuite"):
            for case in suite.iter("testcase"):
                kinds = {child.tag for child in case}
                name = f"{prefix} {case.get('classname', '')} {case.get('name')}"
                if kinds & {"failure", "error"}:
                    self.add(name, False)
                    failures |= {suite.get("name"), case.get("name")}
                elif "skipped" in kinds and os.geteuid() == 0 and case.get("name") not in MAY_SKIP:
                    self.add(name, False, "skipped: only tests that need hardware may be")
                elif "skipped" in kinds:
                    self.skipped += 1
                else:
                    self.add(name, True)
        return failures


def run(*command, **kwargs):
    print("+", *command, flush=True)
    return subprocess.run(command, cwd=ROOT, **kwargs).returncode


def build(result, directory, options=(), cc="gcc"):
    """Sets up a build folder where there is none yet, and builds; False, with a failure noted, when it does not."""
    env = {**os.environ, "CC": cc}
    if not os.path.exists(os.path.join(ROOT, directory, "build.ninja")):
        shutil.rmtree(os.path.join(ROOT, directory), ignore_errors=True)
        if run("meson", "setup", directory, *options, env=env) != 0:
            result.add(f"set-up of {directory}", False)
            return False
    if run("ninja", "-C", directory, env=env) != 0:
        result.add(f"build of {directory}", False)
        return False
    return True


def suites(result, directory, names):
    """Runs suites of meson's; one that is not there is a failure."""
    tests = json.loads(subprocess.run(["meson", "introspect", directory, "--tests"], cwd=ROOT, check=True,
        capture_output=True, text=True).stdout)
    there = {suite.split(":")[-1] for test in tests for suite in test["suite"]}
    for name in names:
        if name not in there:
            result.add(f"{directory} suite {name}", False, "has no tests")
    names = [n for n in names if n in there]
    if not names:
        return
    base = "fairlead-test"
    logs = os.path.join(ROOT, directory, "meson-logs", base)
    for old in glob.glob(logs + "*"):
        os.unlink(old)
    arguments = [word for name in names for word in ("--suite", name)]
    status = run("meson", "test", "-C", directory, "--no-rebuild", "--print-errorlogs", "--logbase", base, *arguments)
    failures = result.junit(logs + ".junit.xml", directory)
    with open(logs + ".json") as f:
        for line in f:
            test = json.loads(line)
            # A program that crashed or ran too long may have reported no failure itself.
            if test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL") and not failures & {
                    test["name"], "fairlead." + test["name"]}:
                result.add(f"{directory} {test['name']}", False, test["result"])
                failures.add(test["name"])
    if status != 0 and not failures:
        result.add(f"{directory} {' '.join(names)}", False, f"meson test ended with {status}")


def python_files():
    """Those of the tree: by suffix, and programs without one."""
    for folder in ("lib", "tests", "scripts"):
        for path in glob.glob(os.path.join(ROOT, folder, "**/*"), recursive=True):
            if path.endswith(".py"):
                yield path
            elif folder == "scripts" and os.path.isfile(path) and "python3" in open(path).readline():
                yield path


def lint(result):
    scripts = [p for p in glob.glob(os.path.join(ROOT, "scripts/*")) + [os.path.join(ROOT, ".ci/run")]
               if os.path.isfile(p) and open(p).readline().startswith("#!/bin/")]
    result.add("lint shellcheck", run("shellcheck", *scripts) == 0)
    broken = ""
    for path in sorted(python_files()):
        try:
            compile(open(path).read(), path, "exec")
        except SyntaxError as e:
            broken = str(e)
    result.add("lint python", not broken, broken)
    sources = [p for folder in ("lib", "app", "tests", "scripts")
               for p in glob.glob(f"{folder}/**/*", root_dir=ROOT, recursive=True)
               if p.endswith((".c", ".h", ".py", "meson.build")) or folder == "scripts"]
    sources += ["meson.build", "meson_options.txt", ".clang-format", ".gitignore"]
    bare = [p for p in sources if os.path.isfile(os.path.join(ROOT, p)) and "SPDX-License-Identifier" not in "".join(
        open(os.path.join(ROOT, p)).readlines()[:3])]
    result.add("lint licence lines", not bare, " ".join(bare))
    if build(result, "build"):
        suites(result, "build", ["lint"])


def clang(result):
    if not build(result, "build-clang", ["-Dfuzz=true"], cc="clang"):
        return
    suites(result, "build-clang", ["unit"])
    for target in sorted(glob.glob(os.path.join(ROOT, "build-clang/tests/fuzz/*_fuzz"))):
        name = os.path.basename(target)[:-len("_fuzz")]
        corpus = os.path.join(ROOT, "tests/fuzz/corpus", name)
        work = os.path.join(ROOT, "build-clang/corpus", name)
        os.makedirs(work, exist_ok=True)
        status = run(target, f"-max_total_time={FUZZ_SECONDS}", "-timeout=10", "-print_final_stats=1", "-verbosity=0",
            f"-artifact_prefix={work}/", work, *([corpus] if os.path.isdir(corpus) else []),
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
        result.add(f"fuzz {name}", status == 0, f"exit {status}")


def e2e(result):
    if os.geteuid() != 0:
        result.add("e2e", False, "needs root, for network namespaces")
        return
    if "FAIRLEAD_BUILD" not in os.environ and not build(result, "build"):
        return
    report = os.path.join(ROOT, "build/e2e.xml")
    if os.path.exists(report):
        os.unlink(report)
    command = ["/usr/bin/python3", "-m", "pytest", "-v", "-ra", "-p", "no:cacheprovider", "--junit-xml", report, "tests/e2e"]
    print("+", *command, flush=True)
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        status = process.wait(E2E_SECONDS)
    except subprocess.TimeoutExpired:
        # pytest ends the lab on an interrupt.
        process.send_signal(signal.SIGINT)
        status = f"none after {E2E_SECONDS} s"
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
    failures = result.junit(report, "e2e") if os.path.exists(report) else set()
    if status != 0 and not failures:
        result.add("e2e", False, f"exit status of pytest: {status}")


def main():
    parser = argparse.ArgumentParser(prog="scripts/test")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", action="append", choices=STAGES, metavar="STAGE")
    arguments = parser.parse_args()
    wanted = arguments.only or (QUICK if arguments.quick else STAGES)
    result = Result()
    started = time.monotonic()

    def stage(name, work):
        print(f"\n==== {name} ====", flush=True)
        begin = time.monotonic()
        work()
        print(f"==== {name}: {time.monotonic() - begin:.0f} s ====", flush=True)

    if "lint" in wanted:
        stage("lint", lambda: lint(result))
    plain = [s for s in SUITES if s in wanted]
    if plain:
        stage(" ".join(plain), lambda: build(result, "build") and suites(result, "build", plain))
    if "asan" in wanted:
        options = ["-Db_sanitize=address,undefined", "-Dx_assert=true"]
        stage("asan", lambda: build(result, "build-asan", options) and suites(result, "build-asan", ASAN_SUITES))
    if "clang" in wanted:
        stage("clang", lambda: clang(result))
    if "e2e" in wanted:
        stage("e2e", lambda: e2e(result))

    print(f"\n{time.monotonic() - started:.0f} s in all")
    for name in result.failed:
        print("failed:", name)
    print(f"{result.passed} passed, {len(result.failed)} failed, {result.skipped} skipped", flush=True)
    return 0 if result.passed and not result.failed else 1


sys.exit(main())
