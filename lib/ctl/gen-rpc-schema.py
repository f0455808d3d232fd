#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Prints schema/rpc.json made whole: gen-rpc-schema.py RPC CONFIG

The types of the configuration's schema are added, so that "service.add" takes what a service of the file has; and where
an object says "also": TYPE (or a list of them), it gets the keys of that type.
"""
import json
import sys

rpc, config = (json.load(open(path)) for path in sys.argv[1:])
types = rpc["types"]


def wanted(rule):
    """Adds the configuration's types that a rule refers to."""
    for name in [rule[k] for k in ("ref", "also") if k in rule]:
        for one in name if isinstance(name, list) else [name]:
            if one not in types:
                types[one] = config["types"][one]
                wanted(types[one])
    for below in list(rule.get("keys", {}).values()) + [rule[k] for k in ("items",) if k in rule]:
        wanted(below)


for method in rpc["methods"].values():
    params = method["params"]
    wanted(params)
    also = params.pop("also", [])
    for name in also if isinstance(also, list) else [also]:
        params["keys"] = types[name]["keys"] | params["keys"]
json.dump(rpc, sys.stdout, indent=1)
