// SPDX-License-Identifier: MPL-2.0
// A phone by SIP.js.
import { Inviter, Registerer, RegistererState, SessionState, UserAgent, Web } from "/modules/sip.js/lib/index.js";
import { plain } from "/media.js";

// Whoever has no stream speaks plain RTP.
function describes(session, stream) {
  if (stream) {
    const options = { iceGatheringTimeout: 1000, peerConnectionConfiguration: { iceServers: [] } };
    return Web.defaultSessionDescriptionHandlerFactory(async () => stream)(session, options);
  }
  return {
    close() {},
    getDescription: async () => ({ body: plain, contentType: "application/sdp" }),
    hasDescription: (type) => type === "application/sdp",
    async setDescription(sdp) {
      session.said = sdp;
    },
    sendDtmf: () => false,
  };
}

// What is heard in a session, once there is anything.
const track = (session) => () => session.sessionDescriptionHandler?.remoteMediaStream?.getAudioTracks()[0];

const ended = (session) =>
  new Promise((resolve) =>
    session.stateChange.addListener((state) => state === SessionState.Terminated && resolve()),
  );

export class Phone {
  // `host`: an address to be reached at, as telephones have.
  constructor({ server, domain, user, password, host }) {
    this.domain = domain;
    this.agent = new UserAgent({
      uri: UserAgent.makeURI(`sip:${user}@${domain}`),
      authorizationUsername: user,
      authorizationPassword: password,
      ...(host && { viaHost: host }),
      transportOptions: { server },
      sessionDescriptionHandlerFactory: (session) => describes(session, this.stream),
      delegate: { onInvite: (invitation) => this.onInvite(invitation) },
    });
    this.registerer = new Registerer(this.agent, { expires: 300 });
  }

  async register() {
    await this.agent.start();
    return this.asRegisterer("register", RegistererState.Registered);
  }

  unregister() {
    return this.asRegisterer("unregister", RegistererState.Unregistered);
  }

  asRegisterer(does, wanted) {
    return new Promise((resolve, reject) => {
      this.registerer.stateChange.addListener((state) => state === wanted && resolve(state));
      this.registerer[does]({
        requestDelegate: { onReject: ({ message }) => reject(new Error(`${does}: ${message.statusCode}`)) },
      });
    });
  }

  to(number) {
    return UserAgent.makeURI(`sip:${number}@${this.domain}`);
  }

  options(number) {
    const core = this.agent.userAgentCore;
    const from = this.agent.configuration.uri;
    const request = core.makeOutgoingRequestMessage("OPTIONS", this.to(number), from, this.to(number), {});
    return new Promise((resolve) => {
      const told = ({ message }) => resolve(message.statusCode);
      core.request(request, { onAccept: told, onReject: told });
    });
  }

  call(number, stream) {
    this.stream = stream;
    const inviter = new Inviter(this.agent, this.to(number));
    return new Promise((resolve, reject) => {
      const requestDelegate = {
        onAccept: ({ message }) =>
          resolve({
            status: message.statusCode,
            answer: message.body,
            track: track(inviter),
            hangUp: () => Promise.all([ended(inviter), inviter.bye()]),
          }),
        onReject: ({ message }) => resolve({ status: message.statusCode }),
      };
      inviter.invite({ requestDelegate }).catch(reject);
    });
  }

  called(stream) {
    return new Promise((resolve) => {
      this.onInvite = async (invitation) => {
        this.stream = stream;
        const over = ended(invitation);
        const offer = invitation.body;
        const refused = (error) => `refused: ${error.message}`;
        const what = await invitation.accept().then(() => "answered", refused);
        resolve({ what, offer, over, track: track(invitation) });
      };
    });
  }
}
