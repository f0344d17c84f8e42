// SPDX-License-Identifier: MPL-2.0
// What phones in a browser go through, whose library the address names. Each step is told, and the next one
// begins when that was heard.
import { hears } from "/media.js";

export const query = Object.fromEntries(new URLSearchParams(location.search));
export const tell = (what, more = "") => fetch("/" + what, { method: "POST", body: more });

// Calls the room, hears somebody there, and leaves.
export async function calls(phone, media) {
  // SIP.js stops the tracks of a call that is over.
  const call = await phone.call(query.number, media.clone());
  await tell("answered", call.answer ?? "refused: " + call.status);
  await tell("hears", await hears(call.track));
  await call.hangUp();
}

// Is called into the room, hears somebody there, and is hung up on.
export async function isCalled(phone, media) {
  const called = phone.called(media);
  await tell("waits");
  const { what, offer, over, track } = await called;
  await tell("called", `${what}\n${offer}`);
  await tell("hears", await hears(track));
  await over;
  await tell("hung-up");
}

// Registers a phone, and has it go through this.
export function begin(goesThrough) {
  const fails = (error) => tell("error", String(error?.stack ?? error));
  addEventListener("unhandledrejection", ({ reason }) => fails(reason));
  const main = async () => {
    const { Phone } = await import(`/${query.library}.js`);
    const phone = new Phone(query);
    await tell("registered", await phone.register());
    await goesThrough(phone, Phone);
  };
  main().catch(fails);
}
