"""Lines of outcome, name and reason out of pytest's report: verdicts.py REPORT CHOSEN, the names that were to run."""

import sys
import xml.etree.ElementTree as ElementTree


def verdict(case):
    for kind in ("failure", "error"):
        found = case.find(kind)
        if found is not None:
            lines = found.get("message", "").splitlines() or [""]
            return "failed", lines[0][:300]
    skipped = case.find("skipped")
    if skipped is not None:
        return "left-out", "by itself: " + skipped.get("message", "")
    return "passed", ""


report, chosen = sys.argv[1:]
verdicts = {}
for case in ElementTree.parse(report).iter("testcase"):
    name = case.get("classname").rsplit(".", 1)[-1] + ".py::" + case.get("name")
    # A test and what it leaves behind are two cases of one name; the worse counts.
    if verdicts.get(name, ("passed",))[0] != "failed":
        verdicts[name] = verdict(case)
for name in open(chosen).read().splitlines():
    outcome, reason = verdicts.get(name, ("failed", "no verdict"))
    print(outcome, name, reason, sep="\t")
