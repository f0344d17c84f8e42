// SPDX-License-Identifier: MPL-2.0
// A phone by JsSIP.
import { plain } from "/media.js";

// It comes in modules of Node.js's kind.
const packages = {
  debug: "debug/src/browser.js",
  events: "events/events.js",
  ms: "ms/index.js",
  "sdp-transform": "sdp-transform/lib/index.js",
};
const loaded = new Map();

function load(path) {
  if (loaded.has(path)) return loaded.get(path).exports;
  const module = { exports: {} };
  loaded.set(path, module);
  const source = new XMLHttpRequest();
  source.open("GET", "/modules/" + path, false);
  source.send();
  if (source.status !== 200) throw new Error("no module " + path);
  if (path.endsWith(".json")) return (module.exports = JSON.parse(source.responseText));
  const require = (name) => {
    if (!name.startsWith(".")) return load(packages[name]);
    const whole = new URL(name, "http://modules/" + path).pathname.slice(1);
    return load(/\.js(on)?$/.test(whole) ? whole : whole + ".js");
  };
  new Function("module", "exports", "require", source.responseText)(module, module.exports, require);
  return module.exports;
}

const JsSIP = load("jssip/lib/JsSIP.js");
const WebRtc = window.RTCPeerConnection;

// Takes a connection's place where plain RTP is spoken.
class PlainRtp extends EventTarget {
  iceGatheringState = "complete";
  signalingState = "stable";
  addTrack() {}
  close() {}
  getSenders = () => [];
  getReceivers = () => [];
  createOffer = async () => ({ type: "offer", sdp: plain });
  createAnswer = async () => ({ type: "answer", sdp: plain });
  async setLocalDescription(description) {
    this.localDescription = description;
  }
  async setRemoteDescription(description) {
    this.remoteDescription = description;
  }
}

// What a call with this stream is made of, or one of plain RTP.
function speaks(mediaStream) {
  window.RTCPeerConnection = mediaStream ? WebRtc : PlainRtp;
  return { mediaStream: mediaStream ?? new MediaStream(), pcConfig: { iceServers: [] } };
}

// What is heard in a session, once there is anything.
const track = (session) => () => session.connection?.getReceivers()[0]?.track;

const next = (emitter, ...names) =>
  new Promise((resolve) => {
    for (const name of names) emitter.once(name, (event) => resolve({ name, ...event }));
  });

export class Phone {
  // `host`: an address to be reached at, as telephones have.
  constructor({ server, domain, user, password, host }) {
    this.domain = domain;
    this.agent = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(server)],
      uri: `sip:${user}@${domain}`,
      password,
      contact_uri: host && `sip:${user}@${host};transport=ws`,
      register: false,
      register_expires: 300,
    });
  }

  async register() {
    const connected = next(this.agent, "connected", "disconnected");
    this.agent.start();
    const { name } = await connected;
    if (name !== "connected") return name;
    const registered = next(this.agent, "registered", "registrationFailed");
    this.agent.register();
    return (await registered).name;
  }

  async unregister() {
    const unregistered = next(this.agent, "unregistered");
    this.agent.unregister();
    return (await unregistered).name;
  }

  to(number) {
    return `sip:${number}@${this.domain}`;
  }

  options(number) {
    return new Promise((resolve) => {
      const told = ({ response }) => resolve(response?.status_code ?? "nothing");
      this.agent.sendOptions(this.to(number), null, { eventHandlers: { succeeded: told, failed: told } });
    });
  }

  async call(number, stream) {
    const session = this.agent.call(this.to(number), speaks(stream));
    const accepted = next(session, "accepted");
    const { name, cause, message } = await next(session, "confirmed", "failed");
    if (name === "failed") return { status: message?.status_code ?? cause };
    const { response } = await accepted;
    return {
      status: response.status_code,
      answer: response.body,
      track: track(session),
      hangUp: async () => {
        const over = next(session, "ended");
        session.terminate();
        await over;
      },
    };
  }

  called(stream) {
    return new Promise((resolve) => {
      this.agent.once("newRTCSession", async ({ session, request }) => {
        // Its ringing follows this event.
        await next(session, "progress");
        const over = next(session, "ended");
        const outcome = next(session, "accepted", "failed");
        session.answer(speaks(stream));
        const { name, cause } = await outcome;
        const what = name === "accepted" ? "answered" : `refused: ${cause}`;
        resolve({ what, offer: request.body, over, track: track(session) });
      });
    });
  }
}
