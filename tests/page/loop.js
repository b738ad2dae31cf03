// The live loop shows a session that is typed slowly, phase by phase, and can be stopped, stepped through, and slowed down.
"use strict";

const { check, dial, isWell, open, picture, test, withBrowser } = require("./browser.js");

async function look(browser, at) {
  const page = await open(browser, at);
  const card = page.locator("#connections .card");
  const phase = (name) => card.locator(".track .now", { hasText: name }).waitFor();
  // Who has not seen it yet is guided.
  await page.locator("#tour", { hasText: "nc -C" }).waitFor();
  await page.locator("#caption h2").waitFor();
  const client = await dial();
  await phase("hello");
  await page.locator("#tour code", { hasText: "HELO me" }).waitFor();
  await card.locator(".waits", { hasText: "waits for the client" }).waitFor();
  await client.say("HELO me");
  await phase("mail");
  await card.locator(".in .line", { hasText: "C: HELO me" }).waitFor();
  await card.locator(".out .line", { hasText: "S: 250 Hello me" }).waitFor();
  await client.say("MAIL FROM:<me@example.org>");
  await phase("rcpt");
  await client.say("RCPT TO:<you@example.org>");
  await page.locator("#tour code", { hasText: "DATA" }).waitFor();
  await client.say("DATA");
  await phase("data");
  // A line that comes in two pieces is none before the second one.
  client.write("Subject: hel");
  await page.locator("#history", { hasText: "→ 12" }).waitFor();
  client.write("lo\r\n\r\nbody\r\n");
  await page.locator("#history", { hasText: "text" }).waitFor();
  await picture(page, "loop");
  await client.say(".");
  await phase("mail");
  await card.locator(".out .line", { hasText: "queued as" }).waitFor();
  // It sleeps when there is nothing to do, and says so.
  await page.locator("#caption h2", { hasText: "The loop sleeps." }).waitFor();

  // Stopped, it shows nothing of what happens, until it is led through that.
  await page.keyboard.press("Space");
  await page.getByRole("button", { name: "Go on" }).waitFor();
  await client.say("NOOP");
  await page.locator("#pace-note", { hasText: "wait to be shown" }).waitFor();
  check(!(await page.locator("#history").textContent()).includes("NOOP"), "it is shown though it is stopped");
  await page.keyboard.press("n");
  await page.locator("#caption code", { hasText: "poll()" }).waitFor();
  await page.keyboard.press("n");
  await page.locator("#caption h2", { hasText: "became readable" }).waitFor();
  await page.keyboard.press(".");
  await page.locator("#caption h2", { hasText: "is done, in" }).waitFor();
  check((await page.locator("#history").textContent()).includes("C: NOOP"), "a tick was not played to its end");
  // What was can be looked at again.
  await page.locator("#history button", { hasText: "C: NOOP" }).click();
  await page.locator("#caption h2", { hasText: "A whole line" }).waitFor();

  await page.locator("#pace").getByText("Slow", { exact: true }).click();
  await page.getByRole("button", { name: "Pause" }).waitFor();
  await client.say("QUIT");
  client.end();
  await page.locator("#caption h2", { hasText: "A whole line of connection" }).waitFor();
  await picture(page, "loop-slow");
  check(!(await card.locator(".waits").textContent()).includes("closed"), "slow is not slow");
  await page.locator("#pace").getByText("Live", { exact: true }).click();
  await page.locator("#pace-note", { hasText: "times slower" }).waitFor();
  await card.locator(".waits", { hasText: "closed: quit" }).waitFor();
  await page.locator("#tour", { hasText: "Done." }).waitFor();
  isWell(page);
}

test(() => withBrowser((browser) => look(browser, process.argv[5])));
