// SPDX-License-Identifier: MPL-2.0
//! The properties that are set, and what stands in them.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use gst_webrtc::{WebRTCBundlePolicy, WebRTCICETransportPolicy};

use super::turn::{TurnError, TurnServer};
use crate::handover::Handover;
use crate::property::{contexts, flag, put, text, uint};

const DEFAULT_LATENCY_MS: u32 = 40;
const DEFAULT_CONTEXT_WAIT_MS: u32 = 5;

/// What is set before the element starts.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) bundle_policy: WebRTCBundlePolicy,
    pub(super) ice_transport_policy: WebRTCICETransportPolicy,
    pub(super) stun_server: Option<String>,
    /// As it was understood, or why not.
    turn_server: Option<Result<TurnServer, TurnError>>,
    pub(super) latency_ms: u32,
    pub(super) ice_lite: bool,
    pub(super) local_addresses: Option<String>,
    pub(super) advertise: Option<String>,
    pub(super) min_port: u32,
    pub(super) max_port: u32,
    pub(super) context: Option<String>,
    pub(super) context_wait_ms: u32,
    pub(super) handover: Handover,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            bundle_policy: WebRTCBundlePolicy::MaxBundle,
            ice_transport_policy: WebRTCICETransportPolicy::All,
            stun_server: None,
            turn_server: None,
            latency_ms: DEFAULT_LATENCY_MS,
            ice_lite: false,
            local_addresses: None,
            advertise: None,
            min_port: 0,
            max_port: 0,
            context: None,
            context_wait_ms: DEFAULT_CONTEXT_WAIT_MS,
            handover: Handover::Auto,
        }
    }
}

/// Why there is nowhere to be reached.
#[derive(Debug, thiserror::Error)]
pub(super) enum AddressError {
    #[error("{0:?} in local-addresses is no IP address")]
    Unreadable(String),
    #[error("{0:?} in advertise is no IP address")]
    Advertised(String),
    #[error("more than two local addresses: each costs a socket a connection")]
    TooMany,
    #[error("min-rtp-port {min} is above max-rtp-port {max}")]
    Ports { min: u32, max: u32 },
    #[error(transparent)]
    Turn(#[from] TurnError),
    #[error("no free UDP port on {address}: {error}")]
    Bind {
        address: IpAddr,
        error: std::io::Error,
    },
}

impl Settings {
    pub(super) fn latency(&self) -> Duration {
        Duration::from_millis(u64::from(self.latency_ms))
    }

    pub(super) fn context_wait(&self) -> Duration {
        Duration::from_millis(u64::from(self.context_wait_ms))
    }

    /// `stun://host:port`, the port being optional.
    pub(super) fn stun(&self) -> Option<(String, u16)> {
        let server = self.stun_server.as_deref()?;
        let server = server.strip_prefix("stun:").unwrap_or(server);
        let server = server.trim_start_matches('/');
        if server.is_empty() {
            return None;
        }
        if let Some((host, port)) = server.rsplit_once(':')
            && let Ok(port) = port.parse()
            && (!host.contains(':') || host.ends_with(']'))
        {
            return Some((host.trim_matches(['[', ']']).to_owned(), port));
        }
        Some((server.trim_matches(['[', ']']).to_owned(), 3478))
    }

    /// The server that relays, if one is set.
    pub(super) fn turn(&self) -> Result<Option<TurnServer>, AddressError> {
        Ok(self.turn_server.clone().transpose()?)
    }

    /// The addresses to be reached at: those named, else those that lead out, else loopback.
    fn addresses(&self) -> Result<Vec<IpAddr>, AddressError> {
        let named = self.local_addresses.as_deref().unwrap_or_default();
        let mut addresses = Vec::new();
        for word in named.split([',', ' ']).filter(|word| !word.is_empty()) {
            let address = word
                .parse()
                .map_err(|_| AddressError::Unreadable(word.to_owned()))?;
            addresses.push(address);
        }
        if addresses.len() > 2 {
            return Err(AddressError::TooMany);
        }
        if addresses.is_empty() {
            addresses = crate::rtc::leading_out();
        }
        if addresses.is_empty() {
            addresses.push(IpAddr::from([127, 0, 0, 1]));
        }
        Ok(addresses)
    }

    /// What the far end is told of a socket: its own address, or what it is reached by.
    pub(super) fn told(&self, local: SocketAddr) -> Result<SocketAddr, AddressError> {
        let Some(named) = self.advertise.as_deref().filter(|named| !named.is_empty()) else {
            return Ok(local);
        };
        let unreadable = |_| AddressError::Advertised(named.to_owned());
        let address = named.parse().map_err(unreadable)?;
        Ok(crate::rtc::advertised(local, Some(address)))
    }

    /// A socket on each address.
    pub(super) fn bind(&self) -> Result<Vec<UdpSocket>, AddressError> {
        let (min, max) = (self.min_port, self.max_port);
        if min > max && max != 0 {
            return Err(AddressError::Ports { min, max });
        }
        self.addresses()?
            .into_iter()
            .map(|address| {
                let bound = if max == 0 {
                    UdpSocket::bind(SocketAddr::new(address, 0))
                } else {
                    bind_between(address, min.max(1), max)
                };
                let socket = bound.map_err(|error| AddressError::Bind { address, error })?;
                socket
                    .set_nonblocking(true)
                    .map_err(|error| AddressError::Bind { address, error })?;
                Ok(socket)
            })
            .collect()
    }
}

/// From a random place in the range on, so that ports rest between connections.
fn bind_between(address: IpAddr, min: u32, max: u32) -> std::io::Result<UdpSocket> {
    let count = max - min + 1;
    let start = rand::random_range(0..count);
    let mut last = std::io::Error::from(std::io::ErrorKind::AddrInUse);
    for step in 0..count {
        let port = u16::try_from(min + (start + step) % count).unwrap_or(u16::MAX);
        match UdpSocket::bind(SocketAddr::new(address, port)) {
            Ok(socket) => return Ok(socket),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

pub(super) fn properties() -> Vec<glib::ParamSpec> {
    let port = |name, nick, blurb| uint(name, nick, blurb, 0..=65_535, 0);
    let [context, context_wait] = contexts();
    vec![
        glib::ParamSpecEnum::builder_with_default("bundle-policy", WebRTCBundlePolicy::MaxBundle)
            .nick("Bundle policy")
            .blurb("As webrtcbin's; whatever it says, all media lines share one transport")
            .build(),
        glib::ParamSpecEnum::builder_with_default(
            "ice-transport-policy",
            WebRTCICETransportPolicy::All,
        )
        .nick("ICE transport policy")
        .blurb("As webrtcbin's: with relay, addresses at the turn-server are the only ones")
        .mutable_ready()
        .build(),
        text(
            "stun-server",
            "STUN server",
            "Where to ask how the world sees us: stun://host:port",
        ),
        glib::ParamSpecString::builder("turn-server")
            .nick("TURN server")
            .blurb("The server to be reached through: turn://user:password@host:port?transport=udp or tcp, turns:// for TLS; percent-encoded. Cannot be read: there is a password in it")
            .flags(glib::ParamFlags::WRITABLE | gst::PARAM_FLAG_MUTABLE_READY)
            .build(),
        uint(
            "latency",
            "Latency",
            "How long jitter and disorder may hold a packet up, in milliseconds; half of it is waited for what is missing",
            0..=10_000,
            DEFAULT_LATENCY_MS,
        ),
        flag(
            "ice-lite",
            "ICE lite",
            "Answer connectivity checks and make none; for a server that everybody can reach",
        ),
        text(
            "local-addresses",
            "Local addresses",
            "At most two addresses to be reached at, comma-separated; default: those from which packets leave for the world, else loopback",
        ),
        text(
            "advertise",
            "Advertised address",
            "The address that the world reaches the local one of its kind (IPv4, IPv6) by, port for port: host candidates name it instead",
        ),
        port(
            "min-rtp-port",
            "Lowest port",
            "The lowest local port; counts where max-rtp-port is set",
        ),
        port(
            "max-rtp-port",
            "Highest port",
            "The highest local port; 0: the system chooses",
        ),
        context,
        context_wait,
        glib::ParamSpecEnum::builder_with_default("handover", Handover::default())
            .nick("Handover")
            .blurb("Which thread pushes what arrives: one of the pad, or the media thread that all calls share")
            .mutable_ready()
            .build(),
    ]
}

impl Settings {
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) {
        match name {
            "bundle-policy" => put(&mut self.bundle_policy, value),
            "ice-transport-policy" => put(&mut self.ice_transport_policy, value),
            "stun-server" => put(&mut self.stun_server, value),
            "turn-server" => {
                let server = value.get::<Option<&str>>().ok().flatten();
                let server = server.filter(|server| !server.is_empty());
                self.turn_server = server.map(TurnServer::read);
            }
            "latency" => put(&mut self.latency_ms, value),
            "ice-lite" => put(&mut self.ice_lite, value),
            "local-addresses" => put(&mut self.local_addresses, value),
            "advertise" => put(&mut self.advertise, value),
            "min-rtp-port" => put(&mut self.min_port, value),
            "max-rtp-port" => put(&mut self.max_port, value),
            "context" => put(&mut self.context, value),
            "context-wait" => put(&mut self.context_wait_ms, value),
            "handover" => put(&mut self.handover, value),
            _ => {}
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "bundle-policy" => self.bundle_policy.to_value(),
            "ice-transport-policy" => self.ice_transport_policy.to_value(),
            "stun-server" => self.stun_server.to_value(),
            "latency" => self.latency_ms.to_value(),
            "ice-lite" => self.ice_lite.to_value(),
            "local-addresses" => self.local_addresses.to_value(),
            "advertise" => self.advertise.to_value(),
            "min-rtp-port" => self.min_port.to_value(),
            "max-rtp-port" => self.max_port.to_value(),
            "context" => self.context.to_value(),
            "context-wait" => self.context_wait_ms.to_value(),
            "handover" => self.handover.to_value(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stun(server: &str) -> Option<(String, u16)> {
        let settings = Settings {
            stun_server: Some(server.to_owned()),
            ..Settings::default()
        };
        settings.stun()
    }

    #[test]
    fn stun_servers_are_written_in_several_ways() {
        let of = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(
            stun("stun://stun.example.com:19302"),
            of("stun.example.com", 19302)
        );
        assert_eq!(stun("stun:stun.example.com"), of("stun.example.com", 3478));
        assert_eq!(stun("stun://[2001:db8::1]:3479"), of("2001:db8::1", 3479));
        assert_eq!(stun("stun://[2001:db8::1]"), of("2001:db8::1", 3478));
        assert_eq!(stun("stun://"), None);
    }

    #[test]
    fn addresses_and_ports_are_kept_to() {
        let mut settings = Settings {
            local_addresses: Some("127.0.0.1, ::1".to_owned()),
            ..Settings::default()
        };
        let sockets = settings.bind().unwrap();
        assert_eq!(sockets.len(), 2);
        let port = u32::from(sockets[0].local_addr().unwrap().port());
        settings.local_addresses = Some("127.0.0.1".to_owned());
        (settings.min_port, settings.max_port) = (port, port);
        let error = settings.bind().unwrap_err().to_string();
        assert!(error.contains("127.0.0.1"), "{error}");
        drop(sockets);
        assert_eq!(settings.bind().unwrap().len(), 1);
    }

    #[test]
    fn an_advertised_address_stands_for_the_local_one_of_its_kind() {
        let settings = Settings {
            advertise: Some("203.0.113.7".to_owned()),
            ..Settings::default()
        };
        let told = |local: &str| settings.told(local.parse().unwrap()).unwrap().to_string();
        assert_eq!(told("192.0.2.1:7000"), "203.0.113.7:7000");
        assert_eq!(told("[2001:db8::1]:7000"), "[2001:db8::1]:7000");
        let settings = Settings {
            advertise: Some("gateway".to_owned()),
            ..Settings::default()
        };
        let error = settings.told("192.0.2.1:7000".parse().unwrap());
        assert!(error.unwrap_err().to_string().contains("gateway"));
    }

    #[test]
    fn nonsense_is_named() {
        let mut settings = Settings {
            local_addresses: Some("eth0".to_owned()),
            ..Settings::default()
        };
        assert!(settings.bind().unwrap_err().to_string().contains("eth0"));
        settings.local_addresses = Some("127.0.0.1,127.0.0.2,127.0.0.3".to_owned());
        assert!(matches!(settings.bind(), Err(AddressError::TooMany)));
    }
}
