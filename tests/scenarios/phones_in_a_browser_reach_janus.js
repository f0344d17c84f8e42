// SPDX-License-Identifier: MPL-2.0
// What a phone goes through, whose library the address names. Each step is told, and the next one
// begins when that was heard.
import { hears, sings } from "/media.js";

const query = Object.fromEntries(new URLSearchParams(location.search));
const tell = (what, more = "") => fetch("/" + what, { method: "POST", body: more });

async function main() {
  const { Phone } = await import(`/${query.library}.js`);
  const phone = new Phone(query);
  await tell("registered", await phone.register());

  const media = await sings(Number(query.hz));
  // SIP.js stops the tracks of a call that is over.
  const call = await phone.call(query.number, media.clone());
  await tell("answered", call.answer ?? "refused: " + call.status);
  await tell("hears", await hears(call.track));
  await call.hangUp();

  const called = phone.called(media);
  await tell("waits");
  const { what, offer, over, track } = await called;
  await tell("called", `${what}\n${offer}`);
  await tell("hears", await hears(track));
  await over;
  await tell("hung-up");
}

addEventListener("unhandledrejection", ({ reason }) => tell("error", String(reason?.stack ?? reason)));
main().catch((error) => tell("error", String(error?.stack ?? error)));
