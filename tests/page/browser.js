// What the scripts of this folder share: a browser at the page, and a client of SMTP.
"use strict";

const net = require("node:net");
const path = require("node:path");
const { chromium } = require("playwright-core");

/** The most time that a test takes, on a machine that has much else to do. */
const TEST_MILLISECONDS_MAX = 300000;

/** Where the server under test is; and a folder that the browser may fill. */
const [url, smtp, folder] = process.argv.slice(2);

/** Runs a test, whose error is the end of this program. */
function test(script) {
  const timer = setTimeout(() => {
    console.error("it takes too long");
    process.exit(1);
  }, TEST_MILLISECONDS_MAX);
  timer.unref();
  script().catch((error) => {
    console.error(error);
    process.exit(1);
  });
}

/** Runs `script` with a browser, which ends with it. */
async function withBrowser(script, ...args) {
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    // Without a sandbox of its own, as root cannot have one; what is opened is ours.
    args: ["--no-sandbox", "--disable-dev-shm-usage", ...args],
    env: { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder, XDG_CACHE_HOME: folder },
  });
  try {
    await script(browser);
  } finally {
    await browser.close();
  }
}

/** Opens the page. Errors of its script, and what its policy has refused, are errors of the test. */
async function open(browser, at = "/", options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.troubles = [];
  page.on("pageerror", (error) => page.troubles.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") page.troubles.push(message.text());
  });
  page.setDefaultTimeout(60000);
  await page.goto(url + at);
  return page;
}

/** A client that says a line and waits for the reply. */
async function dial() {
  const [, host, port] = /^(.*):(\d+)$/.exec(smtp);
  const socket = net.connect(port, host);
  let input = "";
  let wake = () => {};
  socket.on("data", (octets) => {
    input += octets;
    wake();
  });
  const reply = async () => {
    for (;;) {
      const end = /^\d{3}( .*)?\r\n/m.exec(input);
      if (end) {
        const text = input.slice(0, end.index + end[0].length);
        input = input.slice(text.length);
        return text;
      }
      await new Promise((done) => (wake = done));
    }
  };
  await reply();
  return {
    write: (text) => socket.write(text),
    reply,
    say: async (line) => {
      socket.write(`${line}\r\n`);
      return reply();
    },
    end: () => socket.end(),
  };
}

/** Sends a message: its header fields and body, to these recipients. */
async function send(text, ...to) {
  const client = await dial();
  await client.say("EHLO client.example.org");
  await client.say("MAIL FROM:<ada@example.org>");
  for (const recipient of to) await client.say(`RCPT TO:<${recipient}>`);
  await client.say("DATA");
  const reply = await client.say(`${text.replace(/\r?\n/g, "\r\n")}\r\n.`);
  await client.say("QUIT");
  client.end();
  if (!reply.startsWith("250 ")) throw new Error(reply);
  return reply;
}

/** Fails, saying what was expected, unless it is so. */
function check(is, what) {
  if (!is) throw new Error(what);
}

/** Fails if the page has had any trouble. */
function isWell(page) {
  check(page.troubles.length === 0, page.troubles.join("\n"));
}

/** Keeps a picture where `PICTURES` names a folder. */
async function picture(page, name) {
  if (process.env.PICTURES) await page.screenshot({ path: path.join(process.env.PICTURES, `${name}.png`) });
}

module.exports = { check, dial, folder, isWell, open, picture, send, smtp, test, url, withBrowser };
