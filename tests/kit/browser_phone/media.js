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

// The strongest frequency of what is heard, once something is. It is looked for in the spectrum: a browser that has
// to bridge a packet that is late stretches a tone, and then it goes through zero less often.
export async function hears(find) {
  let track;
  while (!(track = find())) await pause(50);
  const player = document.createElement("audio");
  // What no element plays is not decoded.
  Object.assign(player, { srcObject: new MediaStream([track]), muted: true }).play();
  const analyser = new AnalyserNode(audio, { fftSize: SIZE, smoothingTimeConstant: 0 });
  new MediaStreamAudioSourceNode(audio, { mediaStream: player.srcObject }).connect(analyser);
  const samples = new Float32Array(SIZE);
  const spectrum = new Float32Array(analyser.frequencyBinCount);
  for (;;) {
    analyser.getFloatTimeDomainData(samples);
    const loud = samples.every((_, n) => n % 100 || samples.subarray(n, n + 100).some((s) => Math.abs(s) > 0.02));
    if (loud) {
      analyser.getFloatFrequencyData(spectrum);
      return spectrum.indexOf(Math.max(...spectrum)) * (RATE / SIZE);
    }
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
