// SPDX-License-Identifier: MPL-2.0
import { begin, calls, isCalled, query } from "/story.js";
import { sings } from "/media.js";

begin(async (phone) => {
  const media = await sings(Number(query.hz));
  await calls(phone, media);
  await isCalled(phone, media);
});
