// A mail appears without a reload, is read, and is deleted.
"use strict";

const { check, isWell, open, picture, send, smtp, test, withBrowser } = require("./browser.js");

const MAIL = `From: Ada <ada@example.org>
To: Bob <bob@example.org>
Subject: Confirm <b>your</b> address
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: text/html; charset=utf-8

<p>Please <a href="https://example.org/confirm?a=1&amp;b=2">confirm</a>.</p>
--x
Content-Type: text/plain; name=note.txt
Content-Disposition: attachment; filename=note.txt

a note
--x--
`;

async function look(browser) {
  const page = await open(browser);
  // Who has nothing yet is told what to do, with the address that is true.
  await page.getByText("Nothing has come yet").waitFor();
  await page.getByText(`swaks --server ${smtp} --to you@example.org`).waitFor();
  let loads = 0;
  page.on("framenavigated", (frame) => (loads += frame === page.mainFrame() ? 1 : 0));

  const before = Date.now();
  await send(MAIL, "bob@example.org", "audit@example.org");
  const row = page.locator("#messages li.unread a");
  await row.waitFor();
  console.log(`shown ${Date.now() - before} ms after the client came`);
  check((await row.locator(".subject").textContent()) === "Confirm <b>your</b> address", "the subject is text");
  check((await page.title()) === "(1) mailoop", "the title counts what is unread");
  check(loads === 0, "the page was loaded anew");

  await row.click();
  await page.getByRole("heading", { name: "Confirm <b>your</b> address" }).waitFor();
  await page.frameLocator("#message iframe").getByText("Please confirm.").waitFor();
  const blind = page.locator(".address", { hasText: "audit@example.org" });
  check((await blind.locator("b").textContent()) === "Bcc", "a recipient that no field names is shown as Bcc");
  await page.waitForFunction(() => !document.querySelector("#messages li.unread"));
  await picture(page, "message");
  await page.getByText("1 link").click();
  const link = page.locator(".links a");
  check((await link.getAttribute("href")) === "https://example.org/confirm?a=1&b=2", "the link can be followed");

  const tabs = page.locator(".tabs");
  await tabs.getByText("Headers").click();
  await page.locator("#body table", { hasText: "Bob <bob@example.org>" }).waitFor();
  await tabs.getByText("Source").click();
  await page.locator("#body pre", { hasText: "Content-Disposition: attachment" }).waitFor();
  await tabs.getByText("Transcript").click();
  await page.locator("#body .client", { hasText: "C: RCPT TO:<audit@example.org>" }).waitFor();
  await tabs.getByText("Files (1)").click();
  const download = page.waitForEvent("download");
  await page.locator("#body .files a").click();
  check((await download).suggestedFilename() === "note.txt", "an attachment is saved by its name");

  // What comes meanwhile comes on top, and leaves what is read alone.
  await send("Subject: second\n\nhello\n", "bob@example.org");
  await page.locator("#messages li:first-child .subject", { hasText: "second" }).waitFor();
  await page.locator("#body .files").waitFor();
  await page.fill("#query", "subject:second");
  await page.waitForFunction(() => document.querySelectorAll("#messages li").length === 1);
  await page.fill("#query", "");
  await page.waitForFunction(() => document.querySelectorAll("#messages li").length === 2);

  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await page.waitForFunction(() => document.querySelectorAll("#messages li").length === 1);
  await page.getByRole("button", { name: "Delete all" }).click();
  await page.getByRole("button", { name: "Delete all 1?" }).click();
  await page.getByText("Nothing has come yet").waitFor();
  isWell(page);
}

test(() => withBrowser(look));
