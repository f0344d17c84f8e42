// SPDX-License-Identifier: MPL-2.0
// What a call offers: a browser's own media, or plain RTP, which no browser has; and what is heard of it.

const RATE = 48000;
const SIZE = 8192;
const audio = new AudioContext({ sampleRate: RATE, sinkId: { type: "none" } });

// A tone, from no microphone.
export async function sings(frequency) {
  await audio.resume();
  const tone = new OscillatorNode(audio, { frequency });
  const mouth = new MediaStreamAudioDestinationNode(audio);
  tone.connect(mouth);
  tone.start();
  return mouth.stream;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// The frequency of what is heard, once something is: how often it goes through zero.
export async function hears(find) {
  let track;
  while (!(track = find())) await pause(50);
  const player = document.createElement("audio");
  // What no element plays is not decoded.
  Object.assign(player, { srcObject: new MediaStream([track]), muted: true }).play();
  const analyser = new AnalyserNode(audio, { fftSize: SIZE });
  new MediaStreamAudioSourceNode(audio, { mediaStream: player.srcObject }).connect(analyser);
  const samples = new Float32Array(SIZE);
  for (;;) {
    analyser.getFloatTimeDomainData(samples);
    const loud = samples.every((_, n) => n % 100 || samples.subarray(n, n + 100).some((s) => Math.abs(s) > 0.02));
    const crossings = samples.filter((s, n) => n && s < 0 !== samples[n - 1] < 0).length;
    if (loud) return (crossings / 2) * (RATE / SIZE);
    await pause(100);
  }
}

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
