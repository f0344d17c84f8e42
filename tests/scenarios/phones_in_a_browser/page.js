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
  await tell("options", await phone.options(query.number));
  await tell("refused-for-number", (await phone.call(query.nobody, null)).status);

  const plain = await phone.call(query.number, null);
  await tell("answered-in-plain", plain.answer ?? "refused: " + plain.status);
  await plain.hangUp();

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
  await tell("unregistered", await phone.unregister());

  const telephone = new Phone({ ...query, host: "192.0.2.1" });
  await telephone.register();
  const rings = telephone.called(null);
  await tell("waits-as-telephone");
  const calledInPlain = await rings;
  await tell("called-in-plain", `${calledInPlain.what}\n${calledInPlain.offer}`);
  await calledInPlain.over;
  await tell("telephone-hung-up");
}

addEventListener("unhandledrejection", ({ reason }) => tell("error", String(reason?.stack ?? reason)));
main().catch((error) => tell("error", String(error?.stack ?? error)));
