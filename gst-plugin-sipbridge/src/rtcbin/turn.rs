// SPDX-License-Identifier: MPL-2.0
//! The server that relays, as the property `turn-server` names it.

use url::Url;
use zeroize::Zeroizing;

use crate::line::target::unescape;
use crate::rtc::{RelayLogin, RelayOver};

/// RFC 8656 section 3.1, RFC 7065.
const PORT: u16 = 3478;
const PORT_TLS: u16 = 5349;

/// `turn://user:password@host:port?transport=udp`, or `turns://` for TLS.
#[derive(Debug, Clone)]
pub(super) struct TurnServer {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) over: RelayOver,
    pub(super) encrypted: bool,
    pub(super) login: RelayLogin,
}

/// What is wrong with it. There is a password in it: nothing of it is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TurnError {
    #[error(
        "turn-server is not of the form turn://user:password@host:port?transport=udp (or tcp, or turns://)"
    )]
    Unreadable,
    #[error("turn-server names no user and password: RFC 8656 has no relays for strangers")]
    NoLogin,
    #[error("turn-server wants a transport that is none of udp and tcp")]
    Transport,
    #[error("turn-server wants TLS over UDP (DTLS), which is not supported: transport=tcp is")]
    Dtls,
}

impl TurnServer {
    pub(super) fn read(text: &str) -> Result<TurnServer, TurnError> {
        let url = Url::parse(text).map_err(|_| TurnError::Unreadable)?;
        let encrypted = match url.scheme() {
            "turn" => false,
            "turns" => true,
            _ => return Err(TurnError::Unreadable),
        };
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or(TurnError::Unreadable)?;
        let over = match url.query() {
            None if encrypted => RelayOver::Tcp,
            None | Some("transport=udp") => RelayOver::Udp,
            Some("transport=tcp") => RelayOver::Tcp,
            Some(_) => return Err(TurnError::Transport),
        };
        if encrypted && over == RelayOver::Udp {
            return Err(TurnError::Dtls);
        }
        let clear = |text: &str| String::from_utf8(unescape(text.as_bytes())).ok();
        let login = clear(url.username())
            .filter(|user| !user.is_empty())
            .zip(url.password().and_then(clear));
        let (username, password) = login.ok_or(TurnError::NoLogin)?;
        Ok(TurnServer {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url
                .port()
                .unwrap_or(if encrypted { PORT_TLS } else { PORT }),
            over,
            encrypted,
            login: RelayLogin {
                username,
                password: Zeroizing::new(password),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, u16, RelayOver, bool, String, String) {
        let server = TurnServer::read(text).unwrap();
        let RelayLogin { username, password } = server.login;
        let password = password.to_string();
        let TurnServer {
            host,
            port,
            over,
            encrypted,
            ..
        } = TurnServer::read(text).unwrap();
        (host, port, over, encrypted, username, password)
    }

    fn known(
        host: &str,
        port: u16,
        over: RelayOver,
        encrypted: bool,
    ) -> (String, u16, RelayOver, bool, String, String) {
        (
            host.to_owned(),
            port,
            over,
            encrypted,
            "1433895729:ann".to_owned(),
            "p@ss/w".to_owned(),
        )
    }

    #[test]
    fn servers_are_written_as_for_webrtcbin() {
        use RelayOver::{Tcp, Udp};
        let login = "1433895729%3Aann:p%40ss%2Fw";
        for (text, server) in [
            (
                format!("turn://{login}@turn.example:3479"),
                known("turn.example", 3479, Udp, false),
            ),
            (
                format!("turn://{login}@192.0.2.1"),
                known("192.0.2.1", 3478, Udp, false),
            ),
            (
                format!("turn://{login}@[2001:db8::1]:3478?transport=udp"),
                known("2001:db8::1", 3478, Udp, false),
            ),
            (
                format!("turn://{login}@turn.example?transport=tcp"),
                known("turn.example", 3478, Tcp, false),
            ),
            (
                format!("turns://{login}@turn.example"),
                known("turn.example", 5349, Tcp, true),
            ),
            (
                format!("turns://{login}@turn.example:443?transport=tcp"),
                known("turn.example", 443, Tcp, true),
            ),
        ] {
            assert_eq!(read(&text), server, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named_and_not_repeated() {
        for (text, error) in [
            ("turn.example:3478", TurnError::Unreadable),
            ("stun://turn.example", TurnError::Unreadable),
            ("turn://ann:secret@:3478", TurnError::Unreadable),
            ("turn://ann:secret@turn.example:0x", TurnError::Unreadable),
            ("turn://turn.example", TurnError::NoLogin),
            ("turn://ann@turn.example", TurnError::NoLogin),
            (
                "turn://ann:secret@turn.example?transport=sctp",
                TurnError::Transport,
            ),
            (
                "turns://ann:secret@turn.example?transport=udp",
                TurnError::Dtls,
            ),
        ] {
            assert_eq!(TurnServer::read(text).unwrap_err(), error, "{text}");
            assert!(!error.to_string().contains("secret"));
        }
        let server = TurnServer::read("turn://ann:secret@turn.example").unwrap();
        assert!(!format!("{server:?}").contains("secret"));
    }
}
