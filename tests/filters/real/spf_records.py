"""pyspf-milter with the records that it is given in the place of a name server: its settings, then NAME=TEXT each."""

import sys

import spf
from spf_engine.milter_spf import main

RECORDS = dict(argument.split("=", 1) for argument in sys.argv[2:])


def look_up(name, kind, *_):
    text = RECORDS.get(name.lower().rstrip("."))
    return [((name, kind), [text.encode()])] if kind == "TXT" and text else []


spf.DNSLookup = look_up
del sys.argv[2:]
main()
