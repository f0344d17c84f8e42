// SPDX-License-Identifier: MPL-2.0
// A call by SIP.js in Node: signalling is here, media are in a program beside it (media_over_json.rs), which is
// asked for descriptions and told of them, one JSON object a line.
//
//   node call.js ws://PROXY:PORT sip:me@PROXY PASSWORD sip:whom@PROXY SECONDS PROGRAM ARGUMENTS...
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { Inviter, SessionState, UserAgent } from "sip.js";
import { WebSocket } from "ws";

// What a browser has, and older versions of Node have not.
globalThis.WebSocket = WebSocket;

const [server, me, password, whom, seconds, program, ...programArguments] = process.argv.slice(2);

// The program that has the media.
class Media {
  constructor() {
    this.waiting = [];
    this.program = spawn(program, programArguments, { stdio: ["pipe", "pipe", "inherit"] });
    createInterface({ input: this.program.stdout }).on("line", (line) => {
      const { resolve, reject } = this.waiting.shift();
      const { error, ...answer } = JSON.parse(line);
      error ? reject(new Error(error)) : resolve(answer);
    });
    this.ended = new Promise((resolve) =>
      this.program.on("exit", (code) => {
        for (const { reject } of this.waiting.splice(0)) reject(new Error("the media program has ended"));
        resolve(code);
      }),
    );
  }

  // It answers in the order in which it is asked.
  ask(question) {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.program.stdin.write(JSON.stringify(question) + "\n");
    });
  }

  close() {
    this.program.stdin.end();
    return this.ended;
  }
}

// All that SIP.js wants to know of media.
class SessionDescriptionHandler {
  constructor(media) {
    this.media = media;
  }

  async getDescription() {
    const { sdp } = await this.media.ask({ method: "getDescription" });
    return { body: sdp, contentType: "application/sdp" };
  }

  hasDescription(contentType) {
    return contentType === "application/sdp";
  }

  async setDescription(sdp) {
    await this.media.ask({ method: "setDescription", sdp });
  }

  async rollbackDescription() {
    await this.media.ask({ method: "rollback" });
  }

  sendDtmf(digits) {
    this.media.ask({ method: "sendDtmf", digits }).catch((error) => console.error(error.message));
    return true;
  }

  close() {}
}

const media = new Media();
const uri = UserAgent.makeURI(me);
const agent = new UserAgent({
  uri,
  authorizationUsername: uri.user,
  authorizationPassword: password,
  logBuiltinEnabled: false,
  transportOptions: { server },
  sessionDescriptionHandlerFactory: () => new SessionDescriptionHandler(media),
});
await agent.start();

const call = new Inviter(agent, UserAgent.makeURI(whom));
const came = (wanted) =>
  new Promise((resolve) => call.stateChange.addListener((state) => state === wanted && resolve(wanted)));
const [established, terminated] = [came(SessionState.Established), came(SessionState.Terminated)];
await call.invite({
  requestDelegate: {
    onReject: ({ message }) => console.log(`refused: ${message.statusCode} ${message.reasonPhrase}`),
  },
});
if ((await Promise.race([established, terminated])) === SessionState.Established) {
  console.log("answered");
  const over = new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1000));
  if ((await Promise.race([over, terminated])) !== SessionState.Terminated) await call.bye();
  await terminated;
  console.log("over");
}
await agent.stop();
process.exit(await media.close());
