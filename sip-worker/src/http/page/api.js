"use strict";
// SPDX-License-Identifier: MPL-2.0
// What the link says stands behind its '#', which browsers never send. The token is kept for this tab, and
// not in the address, where somebody might read it.
const access = (() => {
  const link = new URLSearchParams(location.hash.slice(1));
  const kept = (key) => {
    if (link.get(key)) sessionStorage.setItem(key, link.get(key));
    return sessionStorage.getItem(key) || "";
  };
  const told = { token: kept("token"), room: kept("room") };
  const shown = new URLSearchParams(link);
  shown.delete("token");
  if (link.has("token")) history.replaceState(null, "", shown.size ? "/#" + shown : "/");
  return told;
})();

const byId = (id) => document.getElementById(id);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// What the worker says when it does not do what it was asked.
class Refused extends Error {
  constructor(status, { error = "The worker refused it.", hint = "" }) {
    super(error);
    Object.assign(this, { status, hint });
  }

  // Asking again as before would not help.
  get isFinal() {
    return [401, 403, 404].includes(this.status);
  }
}

async function ask(method, path, body, headers = {}, more = {}) {
  const answer = await fetch(path, {
    method,
    body,
    headers: { Authorization: "Bearer " + access.token, ...headers },
    ...more,
  });
  if (answer.ok) return answer;
  throw new Refused(answer.status, await answer.json().catch(() => ({})));
}

const roomPath = (...parts) => ["/v1/rooms", access.room, ...parts].map((p, n) => (n ? encodeURIComponent(p) : p)).join("/");

// A sentence for people, and what the worker or the browser said.
function explained(error) {
  const detail = error.message + (error.hint ? " – " + error.hint : "");
  if (error instanceof Refused) {
    const known = {
      401: "This token does not open the room. Ask for a new link.",
      404: "There is no such room here.",
      409: "That cannot be done just now.",
      503: "You cannot come in just now.",
    };
    // What the worker says of a token is for those who write programs.
    return [known[error.status] || "That did not work.", error.status === 401 ? "" : detail];
  }
  if (error.name === "NotAllowedError") return ["The microphone was not allowed.", "Allow it in the browser and join again."];
  if (error.name === "NotFoundError") return ["There is no microphone.", "Plug one in and join again."];
  if (error instanceof TypeError) return ["The worker cannot be reached.", detail];
  return [detail, ""];
}
