// SPDX-License-Identifier: MPL-2.0
// What a call offers: a browser's own media, or plain RTP, which no browser has.

// A tone, from no microphone.
const audio = new AudioContext({ sinkId: { type: "none" } });
const tone = new OscillatorNode(audio);
const mouth = new MediaStreamAudioDestinationNode(audio);
tone.connect(mouth);
tone.start();
export const media = mouth.stream;

export const plain = [
  "v=0",
  "o=- 1 1 IN IP4 127.0.0.1",
  "s=-",
  "c=IN IP4 127.0.0.1",
  "t=0 0",
  "m=audio 9 RTP/AVP 0 101",
  "a=rtpmap:0 PCMU/8000",
  "a=rtpmap:101 telephone-event/8000",
  "",
].join("\r\n");
