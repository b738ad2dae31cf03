// All of the page can be had by keys, and what has the focus is seen.
"use strict";

const { check, isWell, open, picture, send, test, withBrowser } = require("./browser.js");

async function look(browser) {
  for (const subject of ["one", "two", "three"]) await send(`Subject: ${subject}\n\n${subject}\n`, "bob@example.org");
  const page = await open(browser);
  const press = (key) => page.keyboard.press(key);
  const focused = () => page.evaluate(() => document.activeElement.querySelector(".subject")?.textContent ?? document.activeElement.id);
  const has = async (wanted) => check((await focused()) === wanted, `${await focused()} has the focus, not ${wanted}`);
  await page.locator("#messages a").nth(2).waitFor();
  await press("j");
  await has("three");
  await press("j");
  await has("two");
  await press("k");
  await has("three");
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  check(outline === "solid", "the focus is not seen");
  await press("Enter");
  await page.locator("#message h1", { hasText: "three" }).waitFor();
  await press("j");
  await page.locator("#message h1", { hasText: "two" }).waitFor();
  await press("s");
  await page.locator("#body pre", { hasText: "Return-Path:" }).waitFor();
  await press("p");
  await page.locator("#body .client").first().waitFor();
  await press("t");
  await page.locator("#body pre", { hasText: "two" }).waitFor();
  await press("d");
  await page.waitForFunction(() => document.querySelectorAll("#messages li").length === 2);
  await page.locator("#message h1", { hasText: "one" }).waitFor();
  await press("u");
  await page.getByText("Choose a message").waitFor();
  await press("/");
  await has("query");
  await page.keyboard.type("three");
  await page.waitForFunction(() => document.querySelectorAll("#messages li").length === 1);
  // What is typed there is text, not keys.
  check((await page.inputValue("#query")) === "three", "a letter was taken for a key");
  await press("Enter");
  await has("three");
  await press("?");
  await page.getByRole("dialog").getByText("next, previous").waitFor();
  await picture(page, "keys");
  await press("Escape");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  for (const [key, text] of [["2", "stored nothing"], ["3", "For example"], ["4", "What happened"], ["1", "Delete all"]]) {
    await press(key);
    await page.getByText(text).first().waitFor();
  }
  // All that can be pressed has a name that is read out.
  const nameless = await page.evaluate(() => [...document.querySelectorAll("button, a, input")].filter((one) => !(one.textContent.trim() || one.ariaLabel || one.labels?.length)).map((one) => one.outerHTML));
  check(nameless.length === 0, `without a name: ${nameless}`);
  isWell(page);
}

test(() => withBrowser(look));
