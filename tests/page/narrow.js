// On a phone nothing is wider than the screen, and every view can be reached and left; in the dark it is dark.
"use strict";

const { check, dial, isWell, open, picture, send, test, withBrowser } = require("./browser.js");

const WORD = "long".repeat(60);

async function look(browser) {
  for (const colorScheme of ["light", "dark"]) {
    const page = await open(browser, "/", { viewport: { width: 390, height: 844 }, colorScheme, hasTouch: true, isMobile: true });
    const fits = async (name) => {
      const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      check(inner <= outer && outer === 390, `${name} is ${inner} wide, the window ${outer}`);
      await picture(page, `phone-${name}-${colorScheme}`);
    };
    await fits("start");
    await send(`From: "${WORD}" <${WORD.slice(0, 60)}@example.org>\nSubject: ${WORD}\n\n${WORD} https://example.org/${WORD}\n`, `${WORD.slice(0, 60)}@example.org`);
    await page.locator("#messages a").first().waitFor();
    await fits("list");
    await page.locator("#messages a").first().tap();
    await page.locator("#body pre").waitFor();
    await fits("message");
    for (const tab of ["Headers", "Source", "Transcript"]) {
      await page.locator(".tabs").getByText(tab).tap();
      await page.locator("#body > *").first().waitFor();
      await fits(tab.toLowerCase());
    }
    await page.locator(".back").tap();
    await page.locator("#messages a").first().waitFor();
    await page.locator("nav").getByText("Sessions").tap();
    await page.getByText("Choose a session").waitFor({ state: "hidden" });
    await fits("sessions");
    await page.locator("nav").getByText("Rules").tap();
    await page.locator("#rule-examples button").first().tap();
    await fits("rules");
    await page.locator("nav").getByText("The loop").tap();
    await page.locator("#caption h2").waitFor();
    const client = await dial();
    await client.say(`EHLO ${WORD.slice(0, 60)}.example`);
    await page.locator("#connections .in .line", { hasText: "EHLO" }).waitFor();
    await fits("loop");
    client.end();
    const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const isDark = /\d+/g[Symbol.match](ground).every((part) => part < 64);
    check(isDark === (colorScheme === "dark"), `${colorScheme} is ${ground}`);
    isWell(page);
    await page.request.delete(new URL("/api/v1/messages", page.url()).href);
  }
}

test(() => withBrowser(look));
