// Who watches too slowly is told so, and sees what is then; and a server that has gone is found again.
"use strict";

const { check, isWell, open, test, url, withBrowser } = require("./browser.js");

const connection = { id: 7, peer: "192.0.2.1:4", service: "smtp", state: "AwaitingRcpt", waits: "client", read: 9, written: 90, unsent: 0, age_ms: 1 };
const hello = (...connections) => `event: hello\ndata: ${JSON.stringify({ version: "1", hostname: "mx.example.org", uptime_us: 1, connections, more: 0 })}\n\n`;

async function look(browser) {
  const page = await open(browser, "about:blank".slice(11));
  let times = 0;
  await page.route("**/api/loop", (route) => {
    times += 1;
    const body = times === 1 ? `${hello()}event: lost\ndata: {"ticks":12}\n\n${hello(connection)}` : hello();
    return route.fulfill({ contentType: "text/event-stream", body: `retry: 100\n${body}` });
  });
  await page.goto(`${url}/loop`);
  await page.waitForFunction(() => document.querySelector("#history").textContent || document.querySelector("#connections li"));
  await page.waitForFunction(() => !document.querySelector("#connections li"));
  check(times >= 2, "the page has not asked again");
  isWell(page);
}

test(() => withBrowser(look));
