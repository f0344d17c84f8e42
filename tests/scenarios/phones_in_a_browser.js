// SPDX-License-Identifier: MPL-2.0
import { begin, calls, isCalled, query, tell } from "/story.js";
import { sings } from "/media.js";

begin(async (phone, Phone) => {
  await tell("options", await phone.options(query.number));
  await tell("refused-for-number", (await phone.call(query.nobody, null)).status);

  const plain = await phone.call(query.number, null);
  await tell("answered-in-plain", plain.answer ?? "refused: " + plain.status);
  await plain.hangUp();

  const media = await sings(Number(query.hz));
  await calls(phone, media);
  await isCalled(phone, media);
  await tell("unregistered", await phone.unregister());

  const telephone = new Phone({ ...query, host: "192.0.2.1" });
  await telephone.register();
  const rings = telephone.called(null);
  await tell("waits-as-telephone");
  const calledInPlain = await rings;
  await tell("called-in-plain", `${calledInPlain.what}\n${calledInPlain.offer}`);
  await calledInPlain.over;
  await tell("telephone-hung-up");
});
