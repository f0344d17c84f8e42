// SPDX-License-Identifier: MPL-2.0
//! What a scenario does with a phone, whichever it is.

use crate::baresip::{self, Baresip};
use crate::linphone::{self, Linphone};
use anyhow::Result;
use sip_worker::measure::Wave;
use std::net::SocketAddr;
use std::time::Duration;

/// A phone that exists as a program, registered somewhere. It answers calls by itself.
pub trait Phone {
    fn dial(&mut self, uri: &str) -> Result<()>;
    /// Puts the far end on hold.
    fn hold(&mut self) -> Result<()>;
    /// Takes it from hold.
    fn resume(&mut self) -> Result<()>;
    fn hang_up(&mut self) -> Result<()>;
    /// Waits until a call is up.
    fn wait_established(&mut self, patience: Duration) -> Result<()>;
    /// Waits until it is over.
    fn wait_closed(&mut self, patience: Duration) -> Result<()>;
    /// Ends the program and returns all it heard in all its calls, one after the other.
    fn into_heard(self: Box<Self>) -> Result<Wave>;
}

/// Which phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    Baresip,
    Linphone,
}

/// Who it is, and where at home.
#[derive(Clone, Copy)]
pub struct Account<'a> {
    pub name: &'a str,
    pub password: &'a str,
    pub registrar: SocketAddr,
    /// `udp` or `tcp`.
    pub transport: &'a str,
    /// Speak SRTP, and nothing else.
    pub srtp: bool,
}

impl Make {
    /// Starts such a phone, which says `says` in each call, and waits until it is registered.
    pub fn register(
        self,
        scenario: &str,
        account: Account<'_>,
        says: &Wave,
    ) -> Result<Box<dyn Phone>> {
        let Account {
            name,
            password,
            registrar,
            transport,
            srtp,
        } = account;
        match self {
            Make::Baresip => {
                let options = baresip::Options {
                    auto_answer: true,
                    password: Some(password),
                    registrar: Some(registrar),
                    transport,
                    srtp,
                    ..baresip::Options::new(name, says)
                };
                let phone = Baresip::start(scenario, &options)?;
                phone.wait_registered(Duration::from_secs(5))?;
                Ok(Box::new(phone))
            }
            Make::Linphone => {
                let options = linphone::Options {
                    auto_answer: true,
                    transport,
                    srtp,
                    ..linphone::Options::new(name, says, registrar, password)
                };
                Ok(Box::new(Linphone::start(scenario, &options)?))
            }
        }
    }
}

impl Phone for Baresip {
    fn dial(&mut self, uri: &str) -> Result<()> {
        Baresip::dial(self, uri)
    }

    fn hold(&mut self) -> Result<()> {
        Baresip::hold(self)
    }

    fn resume(&mut self) -> Result<()> {
        Baresip::resume(self)
    }

    fn hang_up(&mut self) -> Result<()> {
        Baresip::hang_up(self)
    }

    fn wait_established(&mut self, patience: Duration) -> Result<()> {
        Baresip::wait_established(self, patience)
    }

    fn wait_closed(&mut self, patience: Duration) -> Result<()> {
        Baresip::wait_closed(self, patience).map(|_| ())
    }

    fn into_heard(self: Box<Self>) -> Result<Wave> {
        Baresip::into_heard(*self)
    }
}

impl Phone for Linphone {
    fn dial(&mut self, uri: &str) -> Result<()> {
        Linphone::dial(self, uri)
    }

    fn hold(&mut self) -> Result<()> {
        Linphone::hold(self)
    }

    fn resume(&mut self) -> Result<()> {
        Linphone::resume(self)
    }

    fn hang_up(&mut self) -> Result<()> {
        Linphone::hang_up(self)
    }

    fn wait_established(&mut self, patience: Duration) -> Result<()> {
        Linphone::wait_established(self, patience)
    }

    fn wait_closed(&mut self, patience: Duration) -> Result<()> {
        Linphone::wait_closed(self, patience)
    }

    fn into_heard(self: Box<Self>) -> Result<Wave> {
        Linphone::into_heard(*self)
    }
}
