// SPDX-License-Identifier: MPL-2.0
//! Carrying out a [`Plan`].

use std::time::Instant;

use is::{IceAgent, IceCreds};

use super::link::Link;
use super::{CONNECT_MAX, Transport, TransportState};
use crate::rtc::description::Credentials;
use crate::rtc::dtls::Handshake;
use crate::rtc::plan::{Plan, Remote};

impl Transport {
    /// Carries out what changed.
    pub fn apply(&mut self, now: Instant, plan: Plan) {
        if self.is_over() {
            return;
        }
        self.now = Some(now);
        let Some(remote) = plan.remote.clone() else {
            // An offer of ours or theirs alone moves nothing but our name in checks.
            if let Some(link) = &mut self.link {
                link.agent.set_local_credentials(creds(&plan.credentials));
            }
            return;
        };
        let before = self.plan.take();
        match &mut self.link {
            None => self.begin(now, &plan, &remote),
            Some(link) => {
                link.agent.set_local_credentials(creds(&plan.credentials));
                link.agent
                    .set_remote_credentials(creds(&remote.credentials));
                let others = before.as_ref().and_then(|before| before.remote.as_ref());
                if others.is_some_and(|before| before.credentials != remote.credentials) {
                    // Candidates of before the restart are not candidates of after it.
                    self.remote.clear();
                }
            }
        }
        self.sources_of(before.as_ref(), &plan);
        self.plan = Some(plan);
        self.stirred = true;
        for early in std::mem::take(&mut self.early) {
            self.take(early.at, early.local, early.from, &early.bytes);
        }
    }

    fn begin(&mut self, now: Instant, plan: &Plan, remote: &Remote) {
        let mut dtls = match Handshake::new(self.certificate.dtls(), remote.active) {
            Ok(dtls) => dtls,
            Err(error) => {
                self.fail(format!("the connection could not begin: {error}"));
                return;
            }
        };
        if let Err(error) = dtls.begin(now) {
            self.fail(format!("the connection could not begin: {error}"));
            return;
        }
        let mut agent = IceAgent::new(creds(&plan.credentials));
        agent.set_ice_lite(self.lite);
        agent.set_controlling(remote.controlling);
        agent.set_remote_credentials(creds(&remote.credentials));
        for candidate in &self.local {
            agent.add_local_candidate(candidate.clone());
        }
        for candidate in &self.remote {
            agent.add_remote_candidate(candidate.clone());
        }
        // It asks for no time before it was given some.
        agent.handle_timeout(now);
        self.link = Some(Box::new(Link {
            agent,
            dtls,
            srtp: None,
            pair: None,
            opened: Vec::new(),
        }));
        self.deadline = Some(now + CONNECT_MAX);
        self.enter(TransportState::Connecting, None);
    }

    fn sources_of(&mut self, before: Option<&Plan>, plan: &Plan) {
        let earlier = before.into_iter().flat_map(|before| &before.media);
        for media in earlier {
            let goes_on = plan
                .media
                .iter()
                .any(|now| now.line == media.line && now.mid == media.mid && now.receive.is_some());
            if !goes_on {
                self.sources.forget_line(media.line);
            }
        }
        for media in &plan.media {
            for ssrc in media.receive.iter().flat_map(|receive| &receive.sources) {
                self.sources.named(*ssrc, media.line);
            }
        }
    }
}

fn creds(credentials: &Credentials) -> IceCreds {
    IceCreds {
        ufrag: credentials.ufrag.clone(),
        pass: credentials.password.clone(),
    }
}
