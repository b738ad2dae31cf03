"""aiosmtpd as a sink: `aiosmtpd_sink.py PORT`, with a handler that drops every message."""

import asyncio
import sys

from aiosmtpd.smtp import SMTP


class Discard:
    async def handle_DATA(self, server, session, envelope):
        return "250 OK"


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(Discard(), hostname="aiosmtpd", loop=loop),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        backlog=1024,
    )
    await server.serve_forever()


asyncio.run(main())
