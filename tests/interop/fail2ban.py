"""Finds addresses in a log as fail2ban does: fail2ban.py FILTER LOG. Prints one for each line that the filter matches."""

import configparser
import re
import sys

ADDRESS = r"\[?(?:(?P<ip4>(?:\d{1,3}\.){3}\d{1,3})|(?P<ip6>[0-9a-fA-F:]*:[0-9a-fA-F:]+))\]?"
TIME = r"^time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z"

filter_file, log_file = sys.argv[1:]
filters = configparser.ConfigParser(interpolation=configparser.BasicInterpolation())
filters.read(filter_file)
definition = filters["Definition"]
prefix = definition["prefregex"].replace("<ADDR>", ADDRESS)
prefix = prefix.replace("<F-CONTENT>", "(?P<content>").replace("</F-CONTENT>", ")")
prefix = re.compile(prefix)
failures = [re.compile(line) for line in definition["failregex"].strip().splitlines()]

assert definition["datepattern"] == "^time=%Y-%m-%dT%H:%M:%S\\.%f%z"
with open(log_file, encoding="utf-8") as log:
    for line in log:
        # fail2ban takes the time off.
        match = prefix.search(re.sub(TIME, "", line.rstrip("\n")))
        if match and any(failure.search(match["content"]) for failure in failures):
            print(match["ip4"] or match["ip6"])
