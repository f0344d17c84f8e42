// SPDX-License-Identifier: MPL-2.0
// What a phone goes through, whose library the address names. Each step is told, and the next one
// begins when that was heard.
import { media } from "/media.js";

const query = Object.fromEntries(new URLSearchParams(location.search));
const tell = (what, more = "") => fetch("/" + what, { method: "POST", body: more });

async function main() {
  const { Phone } = await import(`/${query.library}.js`);
  const phone = new Phone(query);
  await tell("registered", await phone.register());
  await tell("options", await phone.options(query.number));
  await tell("refused-for-media", (await phone.call(query.number, media)).status);
  await tell("refused-for-number", (await phone.call(query.nobody, null)).status);

  let called = phone.called(media);
  await tell("waits-with-media");
  await tell("called-with-media", (await called).what);

  const call = await phone.call(query.number, null);
  await tell("answered", call.answer ?? "refused: " + call.status);
  await call.hangUp();

  called = phone.called(null);
  await tell("waits");
  const { what, offer, over } = await called;
  await tell("called", `${what}\n${offer}`);
  await over;
  await tell("hung-up");
  await tell("unregistered", await phone.unregister());
}

addEventListener("unhandledrejection", ({ reason }) => tell("error", String(reason?.stack ?? reason)));
main().catch((error) => tell("error", String(error?.stack ?? error)));
