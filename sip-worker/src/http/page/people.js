// SPDX-License-Identifier: MPL-2.0
// Who is in the room: a card each, which stays the same element for as long as they are there, so that
// whoever works with the keyboard keeps their place.

const NUMBER = "sip.phoneNumber";
// Keys that somebody pressed are shown for so long.
const PRESSED_MS = 8000;
const STATES = { joining: "dialling …", dialling: "dialling …", ringing: "ringing …" };

const initials = (name) => {
  const words = name.trim().split(/\s+/);
  return [words[0], words.length > 1 ? words.at(-1) : ""].map((word) => [...word][0] || "").join("").toUpperCase();
};

const clock = (seconds) => {
  const whole = Math.max(0, Math.floor(seconds));
  return Math.floor(whole / 60) + ":" + String(whole % 60).padStart(2, "0");
};

class People {
  // `act` does what the buttons say: mute, keypad, hangUp, accept, decline.
  constructor(act) {
    Object.assign(this, { act, cards: new Map(), rung: new Map(), names: new Map(), calls: new Map(), pressed: new Map() });
    setInterval(() => this.tick(), 1000);
  }

  // Somebody's phone pressed a key.
  press(id, digit) {
    const card = this.cards.get(id);
    if (!card) return;
    const before = this.pressed.get(id);
    clearTimeout(before?.timer);
    const redraw = () => this.cards.has(id) && this.drawDetail(card, card.shown, this.calls.get(id));
    const forget = () => (this.pressed.delete(id), redraw());
    this.pressed.set(id, { digits: ((before?.digits || "") + digit).slice(-20), timer: setTimeout(forget, PRESSED_MS) });
    redraw();
  }

  show({ you, me, participants, calls }) {
    const hosts = you.role === "host";
    const now = performance.now();
    const running = calls.filter((call) => call.state !== "ended");
    this.calls = new Map(running.map((call) => [call.participant, { ...call, at: now }]));
    for (const person of participants) this.names.set(person.id, person.name);
    const rings = participants.filter((person) => this.calls.get(person.id)?.rings);
    const there = participants.filter((person) => !rings.includes(person));
    this.keep(this.cards, byId("people"), there, "person", (card, person) => this.drawPerson(card, person, me, hosts));
    this.keep(this.rung, byId("ringing"), rings, "rings", (card, person) => this.drawRinging(card, person));
    for (const [id] of this.names) if (!participants.some((person) => person.id === id) && !calls.some((call) => call.participant === id)) this.names.delete(id);
    return { there: there.length, rings, ended: calls.filter((call) => call.state === "ended") };
  }

  // A card for each, made of a template, in their order.
  keep(cards, list, people, template, draw) {
    for (const [id, card] of cards) {
      if (people.some((person) => person.id === id)) continue;
      card.root.remove();
      cards.delete(id);
      // Whoever comes under the same name next has pressed nothing yet.
      clearTimeout(this.pressed.get(id)?.timer);
      this.pressed.delete(id);
    }
    people.forEach((person, place) => {
      let card = cards.get(person.id);
      if (!card) {
        const root = byId(template).content.firstElementChild.cloneNode(true);
        const parts = Object.fromEntries([...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
        card = { root, ...parts };
        cards.set(person.id, card);
        for (const button of root.querySelectorAll("[data-act]")) {
          button.addEventListener("click", () => this.act[button.dataset.act](this.calls.get(person.id), card.shown));
        }
      }
      card.shown = person;
      if (list.children[place] !== card.root) list.insertBefore(card.root, list.children[place] || null);
      draw(card, person);
    });
  }

  drawPerson(card, person, me, hosts) {
    const call = this.calls.get(person.id);
    const isPhone = NUMBER in person.attributes;
    card.root.classList.toggle("talking", person.talking);
    card.root.classList.toggle("phone", isPhone);
    card.initials.textContent = isPhone ? "" : initials(person.name);
    card.name.textContent = person.name;
    card.talking.textContent = person.talking ? "speaking" : "";
    card.actions.hidden = !(call && hosts);
    card.me = person.id === me;
    this.drawDetail(card, person, call);
    if (!call) return;
    const muted = call.muted;
    card.mute.setAttribute("aria-pressed", String(muted));
    card.muteText.textContent = muted ? "Unmute" : "Mute";
    card.keypad.disabled = call.state !== "active";
    for (const [button, what] of [["mute", muted ? "Unmute" : "Mute"], ["keypad", "Keypad for"], ["hangUp", "Hang up"]]) {
      card[button].setAttribute("aria-label", what + " " + person.name);
    }
  }

  drawDetail(card, person, call) {
    const number = person.attributes[NUMBER];
    const told = [card.me ? "you" : "", number && number !== person.name ? number : ""];
    if (call && call.state !== "active") told.push(call.direction === "in" ? "is calling …" : STATES[call.state]);
    if (call?.state === "active") told.push(clock((call.seconds || 0) + (performance.now() - call.at) / 1000));
    if (call?.held) told.push("on hold");
    if (person.muted || call?.muted) told.push("muted");
    else if (!person.speaks && !call) told.push("listens");
    const pressed = this.pressed.get(person.id);
    if (pressed) told.push("pressed " + pressed.digits);
    const text = told.filter(Boolean).join(" · ");
    if (card.detail.textContent !== text) card.detail.textContent = text;
  }

  drawRinging(card, person) {
    const number = person.attributes[NUMBER];
    card.name.textContent = person.name;
    card.detail.textContent = number && number !== person.name ? number : "Incoming call";
    card.accept.setAttribute("aria-label", "Accept the call of " + person.name);
    card.decline.setAttribute("aria-label", "Decline the call of " + person.name);
  }

  tick() {
    for (const [id, card] of this.cards) {
      const call = this.calls.get(id);
      if (call?.state === "active") this.drawDetail(card, card.shown, call);
    }
  }
}
