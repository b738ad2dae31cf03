"""A filter on libmilter that asks for all changes there are. It prints what it is told."""

import sys

import Milter

ACTIONS = ("ADDHDRS", "CHGHDRS", "CHGBODY", "ADDRCPT", "ADDRCPT_PAR", "DELRCPT", "CHGFROM", "QUARANTINE", "SETSYMLIST")


class Filter(Milter.Base):
    def negotiate(self, options):
        self._ctx.setsymlist(Milter.M_CONNECT, "j {client_name}")
        return Milter.Base.negotiate(self, options)

    def connect(self, name, family, address):
        print("connect", name, address, self.getsymval("j"), self.getsymval("{client_addr}"), flush=True)
        return Milter.CONTINUE

    def hello(self, name):
        print("hello", name, flush=True)
        return Milter.CONTINUE

    def envfrom(self, sender, *arguments):
        print("mail", sender, arguments, self.getsymval("{mail_addr}"), flush=True)
        return Milter.CONTINUE

    def envrcpt(self, recipient, *arguments):
        if recipient == "<many@example.net>":
            self.setreply("550", "5.7.1", "one", "100%% sure", "three")
            return Milter.REJECT
        if recipient == "<one@example.net>":
            self.setreply("451", "4.7.1", "later")
            return Milter.TEMPFAIL
        return Milter.CONTINUE

    def header(self, name, value):
        print("header", name, repr(value), flush=True)
        return Milter.CONTINUE

    def eoh(self):
        return Milter.CONTINUE

    def body(self, chunk):
        print("body", len(chunk), flush=True)
        return Milter.SKIP

    def eom(self):
        self.progress()
        self.addheader("X-Last", "a\n b")
        self.addheader("X-First", "c", 0)
        self.chgheader("Subject", 1, "changed")
        self.chgheader("X-Gone", 1, None)
        self.addrcpt("<carol@example.net>")
        self.addrcpt("<dave@example.net>", "NOTIFY=NEVER")
        self.delrcpt("<bob@example.net>")
        self.chgfrom("<>", "RET=HDRS")
        self.replacebody("x" * 70000)
        self.quarantine("because")
        return Milter.ACCEPT


Milter.factory = Filter
Milter.set_flags(sum(getattr(Milter, action) for action in ACTIONS))
Milter.runmilter("filter", sys.argv[1], 60)
