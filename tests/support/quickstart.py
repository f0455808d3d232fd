# SPDX-License-Identifier: BSD-3-Clause
"""What scripts/quickstart runs once fairlead is built; see there."""
import os
import shutil
import signal
import sys

import balancer
from lab import LabError, Lab, VIP, WHOAMI_PORT, endpoint, remove

PREFIX = "fairlead"              # of a lab that is kept; another run has its own
DIRECTORY = "/run/fairlead-lab"
N = 100


def is_up():
    return any(os.path.exists(f"/run/netns/{PREFIX}-{name}") for name in Lab.NAMES)


def stop():
    if not is_up() and not os.path.exists(DIRECTORY):
        print("No lab is up.")
        return 0
    remove(PREFIX, Lab.NAMES)
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    print("The lab is gone.")
    return 0


def measure(lab):
    """Requests and datagrams in each mode; prints a line for each; True when all were answered, by both servers."""
    good = True
    print(f"\n{'mode':8}{'address':25}{'sent':18}{'s1':>5}{'s2':>5}{'failed':>8}")
    for mode in balancer.MODES:
        for version in (4, 6):
            address = VIP[mode, version]
            for what, port, got in (("HTTP requests", 80, lab.curl(address, N)),
                                    ("UDP datagrams", WHOAMI_PORT, lab.datagrams(address, N))):
                s1, s2 = got.pop("s1", 0), got.pop("s2", 0)
                print(f"{mode:8}{endpoint(address, port):25}{f'{N} {what}':18}{s1:5}{s2:5}{N - s1 - s2:8}"
                    + "".join(f"  {reason}: {n}" for reason, n in got.items()), flush=True)
                good = good and s1 > 0 and s2 > 0 and s1 + s2 == N
    return good


def explain(lb):
    """What a failed run leaves to look at."""
    print("\nNot everything was answered. What fairlead says:\n", file=sys.stderr)
    print(lb.log(), file=sys.stderr)
    print(lb.ctl("stats", "show", check=False, as_json=False).stdout, file=sys.stderr)


def what_to_try(lb):
    ctl = f"{os.path.relpath(balancer.FAIRLEADCTL)} --socket {lb.socket}"
    client = f"ip netns exec {PREFIX}-client"
    print(f"""
The lab is up. Try, as root:

  {client} curl http://{VIP['nat', 4]}/
  {client} curl -g 'http://[{VIP['dr', 6]}]/'
  {client} curl http://{VIP['fullnat', 4]}/
  {client} curl -g 'http://[{VIP['tunnel', 6]}]/'
  {ctl} service list
  {ctl} server list
  {ctl} server drain servers-v4 s1
  {ctl} server enable servers-v4 s1
  {ctl} session list
  {ctl} stats show
  {ctl} neighbour list

The configuration is {lb.path}: change it, then

  {ctl} config reload

Its log is {os.path.join(DIRECTORY, 'fairlead.log')}. To end the lab:

  scripts/quickstart --stop""")


def main():
    option = sys.argv[1] if len(sys.argv) > 1 else ""
    if option == "--stop":
        return stop()
    keep = option == "--keep"
    if keep and is_up():
        print("quickstart: a lab is up already; scripts/quickstart --stop ends it", file=sys.stderr)
        return 1

    def interrupted(number, _):
        raise SystemExit(128 + number)

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for s in signals:
        signal.signal(s, interrupted)

    lab = None
    good = False
    try:
        lab = Lab(PREFIX, DIRECTORY) if keep else Lab(f"{PREFIX}-{os.getpid()}")
        lb = balancer.Balancer(lab, balancer.lab_config()).start()
        good = measure(lab)
        if not good:
            explain(lb)
        if keep:
            what_to_try(lb)
        elif lb.stop() != 0:
            print(f"quickstart: fairlead did not stop cleanly:\n{lb.log()}", file=sys.stderr)
            good = False
    except LabError as e:
        print(f"quickstart: {e}", file=sys.stderr)
        keep = False
    except BaseException:
        keep = False
        raise
    finally:
        for s in signals:
            signal.signal(s, signal.SIG_IGN)
        if lab and not keep:
            lab.close()
    return 0 if good else 1


sys.exit(main())
