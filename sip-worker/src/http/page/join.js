// SPDX-License-Identifier: MPL-2.0
// The page itself: the form to come in by, the buttons, and what is said of what happens.

let session = null;
let microphone = null;
let audio = null;
let keyed = null;

const json = { "Content-Type": "application/json" };
const callPath = (call, ...what) => roomPath("calls", call.id, ...what);
const post = (path, body) => ask("POST", path, body && JSON.stringify(body), json);

const act = {
  mute: (call) => attempt(post(callPath(call, call.muted ? "unmute" : "mute"))),
  hangUp: (call) => attempt(ask("DELETE", callPath(call))),
  accept: (call) => attempt(post(callPath(call, "accept") + "?name=" + encodeURIComponent(session.name))),
  decline: (call) => attempt(post(callPath(call, "decline") + "?name=" + encodeURIComponent(session.name))),
  keypad: (call, person) => {
    keyed = call;
    byId("keypad-name").textContent = person.name;
    byId("pressed").textContent = "";
    byId("keypad").showModal();
  },
};

const people = new People(act);

// A line that passes.
function note(text) {
  const line = document.createElement("p");
  line.textContent = text;
  byId("notes").append(line);
  setTimeout(() => line.remove(), 8000);
}

async function attempt(doing) {
  try {
    await doing;
  } catch (error) {
    note(explained(error).filter(Boolean).join(" "));
  }
}

// Two soft tones, every three seconds, while somebody rings.
const bell = {
  timer: null,
  set(rings) {
    if (Boolean(this.timer) === rings) return;
    clearInterval(this.timer);
    this.timer = rings ? setInterval(() => this.strike(), 3000) : null;
    if (rings) this.strike();
  },
  strike() {
    if (!audio) return;
    [660, 880].forEach((frequency, turn) => {
      const [tone, volume] = [new OscillatorNode(audio, { frequency }), new GainNode(audio, { gain: 0 })];
      const from = audio.currentTime + turn * 0.25;
      volume.gain.setTargetAtTime(0.12, from, 0.02);
      volume.gain.setTargetAtTime(0, from + 0.2, 0.08);
      tone.connect(volume).connect(audio.destination);
      tone.start(from);
      tone.stop(from + 0.8);
    });
  },
};

function showRoom(view) {
  const { there, rings, ended } = people.show(view);
  byId("count").textContent = there === 1 ? "1 person" : there + " people";
  byId("dial").hidden = view.you.role !== "host";
  byId("alone").hidden = there > 1 || rings.length > 0;
  for (const call of ended) if (call.why) note((people.names.get(call.participant) || "The call") + ": " + call.why);
  if (keyed && !view.calls.some((call) => call.id === keyed.id && call.state === "active")) byId("keypad").close();
  bell.set(rings.length > 0);
  document.title = (rings.length ? "☎ " + rings[0].name + " – " : "") + access.room;
}

// The keys that a phone presses are shown with it, and messages pass by.
function showData({ from, digit, text }) {
  if (digit) people.press(from, digit);
  if (text) note((people.names.get(from) || "The room") + ": " + text);
}

function showAway(error) {
  byId("away").hidden = !error;
  byId("room").classList.toggle("is-away", Boolean(error));
  if (error) byId("away-why").textContent = explained(error)[0] + " Rejoining …";
  if (!error) byId("lobby").hidden = !(byId("room").hidden = false);
}

function showLobby(error) {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  byId("room").hidden = true;
  byId("lobby").hidden = false;
  byId("join").disabled = false;
  byId("join").textContent = "Join";
  const [headline, detail] = error ? explained(error) : ["", ""];
  byId("error").hidden = !error;
  byId("error-headline").textContent = headline;
  byId("error-detail").textContent = detail;
  // A link that does not lead in may be mended by hand.
  if (error?.isFinal) showFields(true);
  document.title = "Join a room";
}

function setMuted(muted) {
  microphone.enabled = !muted;
  byId("mute").setAttribute("aria-pressed", String(muted));
  byId("mute-text").textContent = muted ? "Unmute" : "Mute";
}

async function join() {
  byId("join").disabled = true;
  byId("join").textContent = "Joining …";
  access.room = byId("field-room").value.trim();
  access.token = byId("field-token").value.trim();
  sessionStorage.setItem("room", access.room);
  sessionStorage.setItem("token", access.token);
  const name = byId("field-name").value.trim();
  localStorage.setItem("name", name);
  byId("room-name").textContent = access.room;
  try {
    // First, so that nobody is asked for a microphone in vain.
    const { you } = await (await ask("GET", roomPath())).json();
    if (!navigator.mediaDevices) throw new Error("Browsers give a page the microphone over HTTPS or on localhost only.");
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    microphone = stream.getAudioTracks()[0];
    audio = new AudioContext();
    setMuted(false);
    session = new Session(you.name || name, microphone, { room: showRoom, data: showData, away: showAway });
    await session.run();
    showLobby();
  } catch (error) {
    showLobby(error);
  }
  bell.set(false);
  microphone?.stop();
  audio?.close();
  session = microphone = audio = null;
}

function press(digit) {
  byId("pressed").textContent = (byId("pressed").textContent + digit).slice(-20);
  attempt(post(callPath(keyed, "dtmf"), { digits: digit }));
}

async function dial() {
  const error = byId("dial-error");
  error.textContent = "";
  try {
    await post(roomPath("calls"), { to: byId("number").value.trim() });
    byId("dialler").close();
    byId("number").value = "";
  } catch (refused) {
    error.textContent = refused.message;
  }
}

// What the link says need not be typed.
function showFields(all) {
  byId("by-room").hidden = !all && Boolean(access.room);
  byId("by-token").hidden = !all && Boolean(access.token);
  byId("invited").hidden = all || !access.room;
  byId("invited-room").textContent = access.room;
}

function begin() {
  byId("field-room").value = access.room;
  byId("field-token").value = access.token;
  // The token of a name says it itself.
  const named = /^(?:guest|host)~([^~]+)~/.exec(access.token)?.[1];
  byId("field-name").value = named || localStorage.getItem("name") || "";
  byId("field-name").readOnly = Boolean(named);
  showFields(false);

  const on = (id, event, does) => byId(id).addEventListener(event, does);
  on("form", "submit", (event) => (event.preventDefault(), join()));
  on("mute", "click", () => setMuted(microphone.enabled));
  on("leave", "click", () => session.leave());
  on("dial", "click", () => byId("dialler").showModal());
  on("dial-form", "submit", (event) => (event.preventDefault(), dial()));
  on("keypad", "close", () => (keyed = null));
  on("keypad", "keydown", (event) => /^[0-9*#]$/.test(event.key) && press(event.key));
  for (const key of byId("keys").children) key.addEventListener("click", () => press(key.dataset.digit));
  for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", () => button.closest("dialog").close());
  document.addEventListener("keydown", (event) => {
    const busy = event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]");
    if (session && microphone && event.key.toLowerCase() === "m" && !busy) setMuted(microphone.enabled);
  });
}

begin();
