// SPDX-License-Identifier: MPL-2.0
// A stay in a room: one speaks by WHIP and hears by WHEP, as one participant, and is told of the room by its
// events. Whatever of that is lost, all of it begins anew, for as long as somebody wants to stay.

// So many others are heard at a time; who talks gets a line.
const LINES = 8;
const WAITS_MS = [250, 500, 1000, 2000, 4000, 8000];
// A connection that broke may mend itself for so long.
const MENDS_MS = 5000;

class Session {
  // `tell.room` is told of each change of the room, `tell.data` of what others say beside their voice, `tell.away` why
  // the room is not there just now (null: it is).
  constructor(name, microphone, tell) {
    Object.assign(this, { name, microphone, tell, over: false, entered: false });
  }

  // Until one leaves. Throws why one cannot come in, or not again.
  async run() {
    for (let tries = 0; !this.over; tries++) {
      try {
        await this.visit(() => {
          tries = -1;
          this.entered = true;
          this.tell.away(null);
        });
      } catch (error) {
        if (this.over) return;
        if (!this.entered || error.isFinal) throw error;
        this.tell.away(error);
      }
      const wait = WAITS_MS[Math.min(Math.max(tries, 0), WAITS_MS.length - 1)];
      // Not all at the same moment, after a restart.
      await Promise.race([sleep(wait * (0.75 + Math.random() / 2)), new Promise((wake) => (this.wake = wake))]);
    }
  }

  leave() {
    this.over = true;
    this.stop?.abort();
    this.wake?.();
  }

  async visit(entered) {
    const stop = (this.stop = new AbortController());
    const lost = new Promise((_, reject) => {
      this.lose = reject;
      stop.signal.addEventListener("abort", () => reject(new Error("left")));
    });
    lost.catch(() => {});
    const room = await (await ask("GET", roomPath(), undefined, {}, { signal: stop.signal })).json();
    const ways = { iceServers: room.ice_servers || [] };
    const [speaker, listener] = [new RTCPeerConnection(ways), new RTCPeerConnection(ways)];
    const sessions = [];
    const byPage = () => sessions.forEach((session) => this.end(session));
    addEventListener("pagehide", byPage);
    try {
      for (const peer of [speaker, listener]) this.guard(peer);
      speaker.addTransceiver(this.microphone, { direction: "sendonly" });
      const name = encodeURIComponent(this.name);
      const spoken = await this.exchange(speaker, "/whip/" + encodeURIComponent(access.room) + "?name=" + name);
      sessions.push(spoken);
      const me = spoken.split("/").pop();
      listener.ontrack = ({ track }) => this.play(track);
      for (let line = 0; line < LINES; line++) listener.addTransceiver("audio", { direction: "recvonly" });
      sessions.push(await this.exchange(listener, "/whep/" + encodeURIComponent(access.room) + "?participant=" + me));
      await Promise.race([lost, this.follow(roomPath("events") + "?participant=" + me + "&name=" + name, stop.signal, entered)]);
    } finally {
      removeEventListener("pagehide", byPage);
      stop.abort();
      for (const peer of [speaker, listener]) peer.close();
      byId("voices").replaceChildren();
      byPage();
    }
  }

  // One offer, one answer.
  async exchange(peer, path) {
    await peer.setLocalDescription();
    const kind = { "Content-Type": "application/sdp" };
    const answer = await ask("POST", path, peer.localDescription.sdp, kind, { signal: this.stop.signal });
    const sdp = await answer.text();
    await peer.setRemoteDescription({ type: "answer", sdp });
    return answer.headers.get("Location");
  }

  end(session) {
    // Whoever is gone is missed by the worker all the same.
    ask("DELETE", session, undefined, {}, { keepalive: true }).catch(() => {});
  }

  guard(peer) {
    const lose = this.lose;
    peer.onconnectionstatechange = () => {
      clearTimeout(peer.patience);
      const lost = () => lose(new Error("The connection to the room broke."));
      if (peer.connectionState === "failed") lost();
      if (peer.connectionState === "disconnected") peer.patience = setTimeout(lost, MENDS_MS);
    };
  }

  play(track) {
    const voice = document.createElement("audio");
    voice.autoplay = true;
    voice.srcObject = new MediaStream([track]);
    byId("voices").append(voice);
  }

  // Server-sent events, read with a token.
  async follow(path, signal, entered) {
    const answer = await ask("GET", path, undefined, {}, { signal });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = ""; ; ) {
      const { value, done } = await reader.read();
      if (done) throw new Error("The worker is gone.");
      const parts = (text + value).split("\n\n");
      text = parts.pop();
      for (const part of parts) {
        const lines = part.split("\n");
        const line = lines.find((line) => line.startsWith("data:"));
        if (!line) continue;
        const told = JSON.parse(line.slice(5));
        if (lines.some((line) => /^event: ?data$/.test(line))) {
          this.tell.data(told);
          continue;
        }
        entered();
        this.tell.room(told);
      }
    }
  }
}
