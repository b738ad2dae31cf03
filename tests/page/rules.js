// Rules are shown with their hits, changed, and a bad one is told; a session that was refused can be read.
"use strict";

const { check, dial, isWell, open, picture, test, withBrowser } = require("./browser.js");

async function look(browser) {
  const page = await open(browser, "/#/rules");
  await page.getByText("No rule: everything is accepted.").waitFor();
  await page.locator("#rule-examples button", { hasText: "busy.example" }).click();
  await page.getByRole("button", { name: "Add a rule" }).click();
  await page.keyboard.type("nowhere * = 450");
  await page.getByRole("button", { name: "Apply" }).click();
  await page.locator("#rule-error:not([hidden])").waitFor();
  check((await page.locator("#rule-error").textContent()).includes("nowhere"), "a bad rule is told by its name");
  await picture(page, "rule-error");
  await page.getByRole("button", { name: "Take this rule out" }).last().click();
  await page.getByRole("button", { name: "Apply" }).click();
  await page.locator(".hits", { hasText: "0 hits" }).waitFor();

  const client = await dial();
  await client.say("EHLO client.example.org");
  await client.say("MAIL FROM:<ada@example.org>");
  check((await client.say("RCPT TO:<bob@busy.example>")).startsWith("450 4.2.1 busy"), "the rule does not hold");
  await client.say("QUIT");
  client.end();
  await page.locator(".hits", { hasText: "1 hit" }).waitFor();
  await picture(page, "rules");
  await page.locator("nav").getByText("Sessions").click();
  await page.locator("#session-list a").first().click();
  await page.locator("#session .server", { hasText: "S: 450 4.2.1 busy" }).waitFor();
  await picture(page, "sessions");
  // The browser tells of the refusal, too.
  page.troubles = page.troubles.filter((trouble) => !trouble.includes("a status of 400"));
  isWell(page);
}

test(() => withBrowser(look));
