// SPDX-License-Identifier: MPL-2.0
//! What a user agent is told, and what follows from it for a call.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use sip_ua::agent::Transport;
use sip_ua::digest::Credentials;
use sip_ua::wire::{NameAddr, Scheme, Uri};

use super::access::AccessList;
use crate::call::NextHop;

pub(super) const DEFAULT_ADDRESS: &str = "0.0.0.0";
pub(super) const DEFAULT_PORT: i32 = -1;
pub(super) const DEFAULT_TRANSPORTS: &str = "udp, tcp";
pub(super) const DEFAULT_ACCEPT_FROM: &str = "127.0.0.0/8, ::1";
pub(super) const DEFAULT_MEDIA_PORTS: &str = "10000-20000";
pub(super) const DEFAULT_REGISTER_EXPIRES: u32 = 3600;
pub(super) const SIP_PORT: u16 = 5060;

/// The properties of a `GstSipAgent`.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) address: String,
    pub(super) port: i32,
    pub(super) advertise: Option<String>,
    pub(super) user_agent: String,
    pub(super) username: Option<String>,
    pub(super) auth_username: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) password_file: Option<String>,
    pub(super) display_name: Option<String>,
    pub(super) from_domain: Option<String>,
    pub(super) outbound_proxy: Option<String>,
    pub(super) accept_from: String,
    pub(super) trust_asserted_identity: bool,
    pub(super) media_ports: String,
    pub(super) transports: String,
    pub(super) registrar: Option<String>,
    pub(super) register_expires: u32,
}

/// A password. It has no way out but [`Settings::credentials`], not even into debug output.
#[derive(Clone)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn new(text: String) -> Secret {
        Secret(text)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            address: DEFAULT_ADDRESS.to_owned(),
            port: DEFAULT_PORT,
            advertise: None,
            user_agent: concat!("sipbridge/", env!("CARGO_PKG_VERSION")).to_owned(),
            username: None,
            auth_username: None,
            password: None,
            password_file: None,
            display_name: None,
            from_domain: None,
            outbound_proxy: None,
            accept_from: DEFAULT_ACCEPT_FROM.to_owned(),
            trust_asserted_identity: false,
            media_ports: DEFAULT_MEDIA_PORTS.to_owned(),
            transports: DEFAULT_TRANSPORTS.to_owned(),
            registrar: None,
            register_expires: DEFAULT_REGISTER_EXPIRES,
        }
    }
}

/// A property holds what cannot be used. The sentence names it.
#[derive(Debug, thiserror::Error)]
pub enum AgentSettingsError {
    /// `address` is no IP address.
    #[error("agent::address is \"{0}\", which is no IP address")]
    Address(String),
    /// `accept-from` is no list of networks.
    #[error("agent::accept-from: {0}")]
    AcceptFrom(#[from] super::access::AccessListError),
    /// `media-ports` is no range.
    #[error("agent::media-ports is \"{0}\"; a range such as 10000-20000 is wanted")]
    MediaPorts(String),
    /// `transports` names none, or one that is not spoken.
    #[error("agent::transports is \"{0}\"; udp, tcp, or both with a comma between are wanted")]
    Transports(String),
    /// `password-file` cannot be read.
    #[error("agent::password-file {path}: {error}")]
    PasswordFile {
        /// The file.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// `username`, `display-name` or `from-domain` cannot stand in a From header.
    #[error("agent::username, display-name or from-domain: {0} cannot be called from")]
    From(String),
    /// `registrar` is no host.
    #[error("agent::registrar is \"{0}\"; HOST, HOST:PORT or sip:HOST is wanted")]
    Registrar(String),
    /// `registrar` without a name to register.
    #[error("agent::registrar is set, but agent::username is not: nobody could be registered")]
    NoUsername,
    /// `outbound-proxy` is no host.
    #[error("agent::outbound-proxy is \"{0}\"; sip:HOST, sip:HOST:PORT or HOST:PORT is wanted")]
    OutboundProxy(String),
}

impl Settings {
    pub(super) fn address(&self) -> Result<IpAddr, AgentSettingsError> {
        self.address
            .parse()
            .map_err(|_| AgentSettingsError::Address(self.address.clone()))
    }

    pub(super) fn transports(&self) -> Result<Vec<Transport>, AgentSettingsError> {
        let named: Option<Vec<Transport>> = self
            .transports
            .split(',')
            .map(|name| Transport::named(name.trim().as_bytes()))
            // There is no certificate to show to those that connect, and no media for a browser.
            .map(|named| {
                named.filter(|transport| !transport.is_secure() && !transport.is_websocket())
            })
            .collect();
        let mut transports = named.unwrap_or_default();
        transports.sort();
        transports.dedup();
        match transports.is_empty() {
            true => Err(AgentSettingsError::Transports(self.transports.clone())),
            false => Ok(transports),
        }
    }

    pub(super) fn accept_from(&self) -> Result<AccessList, AgentSettingsError> {
        Ok(AccessList::parse(&self.accept_from)?)
    }

    pub(super) fn media_ports(&self) -> Result<RangeInclusive<u16>, AgentSettingsError> {
        crate::property::ports(&self.media_ports)
            .ok_or_else(|| AgentSettingsError::MediaPorts(self.media_ports.clone()))
    }

    pub(super) fn credentials(&self) -> Result<Option<Credentials>, AgentSettingsError> {
        let password = match (&self.password, &self.password_file) {
            (Some(Secret(password)), _) => password.clone(),
            (None, Some(path)) => std::fs::read_to_string(path)
                .map_err(|error| AgentSettingsError::PasswordFile {
                    path: path.clone(),
                    error,
                })?
                .trim_end_matches(['\r', '\n'])
                .to_owned(),
            (None, None) => return Ok(None),
        };
        let name = self.auth_username.as_ref().or(self.username.as_ref());
        Ok(name.map(|name| Credentials::new(name.clone(), password)))
    }

    /// Who calls: `username` at `from-domain`, else at the host that is called.
    pub(super) fn from(&self, to: &Uri) -> Result<NameAddr, AgentSettingsError> {
        let host = match &self.from_domain {
            Some(domain) => domain.clone(),
            None => String::from_utf8_lossy(to.host.as_bytes()).into_owned(),
        };
        let user = self.username.as_deref().unwrap_or("anonymous");
        let text = format!("sip:{user}@{host}");
        let uri = Uri::parse(text.as_bytes()).map_err(|_| AgentSettingsError::From(text))?;
        let display = self.display_name.as_ref().filter(|name| !name.is_empty());
        if let Some(name) = display.filter(|name| name.contains(['\r', '\n', '\0'])) {
            return Err(AgentSettingsError::From(format!("{name:?}")));
        }
        Ok(NameAddr {
            display: display.map(|name| name.clone().into_bytes()),
            uri,
            params: Default::default(),
        })
    }

    pub(super) fn next_hop(&self) -> Result<NextHop, AgentSettingsError> {
        let Some(proxy) = self
            .outbound_proxy
            .as_ref()
            .filter(|proxy| !proxy.is_empty())
        else {
            return Ok(NextHop::OfUri);
        };
        let bad = || AgentSettingsError::OutboundProxy(proxy.clone());
        let text = if proxy.starts_with("sip:") {
            proxy.clone()
        } else {
            format!("sip:{proxy}")
        };
        let uri = Uri::parse(text.as_bytes()).map_err(|_| bad())?;
        if uri.user.is_some() || uri.scheme != Scheme::Sip {
            return Err(bad());
        }
        Ok(NextHop::Proxy(uri))
    }

    /// The address our SDP says, where that is one.
    pub(super) fn media_advertise(&self) -> Option<IpAddr> {
        self.advertise.as_ref().and_then(|text| text.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::default()
    }

    #[test]
    fn a_caller_without_a_name_is_anonymous_at_the_called_host() {
        let to = Uri::parse(b"sip:bob@192.0.2.1:5070").unwrap();
        let from = settings().from(&to).unwrap();
        assert_eq!(from.uri.to_bytes(), b"sip:anonymous@192.0.2.1");
    }

    #[test]
    fn a_line_break_in_a_name_is_refused() {
        let to = Uri::parse(b"sip:bob@192.0.2.1").unwrap();
        let display_name = Some("a\r\nX: y".to_owned());
        assert!(
            Settings {
                display_name,
                ..settings()
            }
            .from(&to)
            .is_err()
        );
        let username = Some("a\r\nX: y".to_owned());
        assert!(
            Settings {
                username,
                ..settings()
            }
            .from(&to)
            .is_err()
        );
    }

    #[test]
    fn outbound_proxies_are_read_in_three_forms() {
        let hop = |text: &str| {
            Settings {
                outbound_proxy: Some(text.to_owned()),
                ..settings()
            }
            .next_hop()
        };
        let proxy = |uri: &str| NextHop::Proxy(uri.parse().unwrap());
        assert_eq!(hop("192.0.2.1").unwrap(), proxy("sip:192.0.2.1"));
        assert_eq!(hop("sip:pbx:5070").unwrap(), proxy("sip:pbx:5070"));
        assert_eq!(
            hop("[2001:db8::1]:5070").unwrap(),
            proxy("sip:[2001:db8::1]:5070")
        );
        assert_eq!(hop("").unwrap(), NextHop::OfUri);
        assert!(hop("sip:bob@pbx").is_err());
        assert!(hop("pbx:port").is_err());
    }

    #[test]
    fn transports_are_listed_with_commas() {
        let transports = |text: &str| {
            Settings {
                transports: text.to_owned(),
                ..settings()
            }
            .transports()
        };
        let both = vec![Transport::Udp, Transport::Tcp];
        assert_eq!(settings().transports().unwrap(), both);
        assert_eq!(transports("TCP,udp, tcp").unwrap(), both);
        assert_eq!(transports("tcp").unwrap(), [Transport::Tcp]);
        for bad in ["", "tls", "udp,", "udp tcp"] {
            assert!(transports(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn port_ranges() {
        let range = |text: &str| {
            Settings {
                media_ports: text.to_owned(),
                ..settings()
            }
            .media_ports()
            .ok()
        };
        assert_eq!(range("10000-20000"), Some(10_000..=20_000));
        for bad in ["", "10000", "20000-10000", "0-9", "1-99999", "a-b"] {
            assert_eq!(range(bad), None, "{bad}");
        }
    }

    #[test]
    fn debug_output_holds_no_password() {
        let password = Some(Secret::new("canary".to_owned()));
        assert!(
            !format!(
                "{:?}",
                Settings {
                    password,
                    ..settings()
                }
            )
            .contains("canary")
        );
    }
}
