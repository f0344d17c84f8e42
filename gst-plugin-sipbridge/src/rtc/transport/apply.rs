// SPDX-License-Identifier: MPL-2.0
//! Carrying out a [`Plan`].

use std::time::Instant;

use super::link::Link;
use super::{Transport, TransportState};
use crate::rtc::path::{Checks, Path, PathPlan, Way};
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
                link.path.set_local_credentials(&plan.credentials);
            }
            return;
        };
        let before = self.plan.take();
        match &mut self.link {
            None => self.begin(now, &plan, &remote),
            Some(link) => {
                link.path.follow(&path_of(&plan, &remote, self.lite));
                let others = before.as_ref().and_then(|before| before.remote.as_ref());
                if others.is_some_and(|before| before.credentials != remote.credentials) {
                    // Candidates of before the restart are not candidates of after it.
                    self.candidates.forget_remote();
                }
            }
        }
        self.sources_of(before.as_ref(), &plan);
        self.plan = Some(plan);
        self.stirred = true;
        for early in self.early.take() {
            self.take(early.at, early.local, early.from, &early.bytes);
        }
    }

    fn begin(&mut self, now: Instant, plan: &Plan, remote: &Remote) {
        let plan = path_of(plan, remote, self.lite);
        match Path::begin(now, &self.certificate, &plan, &self.candidates) {
            Ok(path) => {
                self.link = Some(Box::new(Link {
                    path,
                    srtp: None,
                    opened: Vec::new(),
                }));
                self.enter(TransportState::Connecting, None);
            }
            Err(reason) => self.fail(reason),
        }
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

fn path_of(plan: &Plan, remote: &Remote, lite: bool) -> PathPlan {
    PathPlan {
        way: Way::Checked(Checks {
            local: plan.credentials.clone(),
            remote: remote.credentials.clone(),
            lite,
            controlling: remote.controlling,
        }),
        fingerprint: remote.fingerprint.clone(),
        active: remote.active,
    }
}
