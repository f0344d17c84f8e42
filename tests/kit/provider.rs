// SPDX-License-Identifier: MPL-2.0
//! A provider by hand: it takes our INVITEs and answers them as no phone would.
//!
//! Which answer a call gets is told by the number that is called.

use anyhow::{Context as _, Result, bail};
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a provider looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// This final response.
    Refuse(u16, &'static str),
    /// A challenge at every try, as if no answer were ever right.
    Challenge(u16, Nonce),
    /// 180, and 486 as soon as [`Provider::decline`] says so.
    Ring,
    /// 302: the call is for `bob` at this address.
    SendOn(SocketAddr),
    /// Not a word.
    Nothing,
    /// 200 without a body.
    WithoutSdp,
    /// 200 with a body that is no SDP.
    WithNonsense,
}

/// The nonces of a provider that takes no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nonce {
    /// A new one each time, and not a word about the old one.
    Another,
    /// A new one each time, the old one being out of date already.
    Stale,
    /// None at all.
    Missing,
}

pub struct Provider {
    address: SocketAddr,
    voice: UdpSocket,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// The methods that came, by the number called.
    requests: Mutex<HashMap<String, Vec<String>>>,
    changed: Condvar,
    /// The calls that ring: how to decline each, and to whom.
    ringing: Mutex<HashMap<String, (String, SocketAddr)>>,
}

impl Provider {
    /// Listens on loopback; numbers that are not in the list get 404.
    pub fn start(manners: &[(&'static str, Manner)]) -> Result<Provider> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(LOOK))?;
        let voice = socket.try_clone()?;
        let address = socket.local_addr()?;
        let shared = Arc::new(Shared::default());
        let mut desk = Desk {
            socket,
            manners: manners.iter().copied().collect(),
            users: HashMap::new(),
            nonces: 0,
        };
        let behind = shared.clone();
        let thread = std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while !behind.stop.load(Ordering::Relaxed) {
                // A time-out, or an ICMP error about somebody who left.
                let Ok((length, from)) = desk.socket.recv_from(&mut buffer) else {
                    continue;
                };
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                desk.take(&text, from, &behind);
            }
        });
        Ok(Provider {
            address,
            voice,
            shared,
            thread: Some(thread),
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whoever rings under this number is busy after all.
    pub fn decline(&self, number: &str) -> Result<()> {
        let ringing = lock(&self.shared.ringing).remove(number);
        let (answer, to) = ringing.with_context(|| format!("nobody rings under {number}"))?;
        self.voice.send_to(answer.as_bytes(), to)?;
        Ok(())
    }

    /// Waits until the requests about this number end with `last`, and returns all of them, each
    /// retransmission once.
    pub fn until(&self, number: &str, last: &str, patience: Duration) -> Result<Vec<String>> {
        let deadline = Instant::now() + patience;
        let mut requests = lock(&self.shared.requests);
        loop {
            let came = requests.get(number).cloned().unwrap_or_default();
            if came.last().is_some_and(|method| method == last) {
                return Ok(came);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("no {last} about {number} came in time, but {came:?}");
            }
            requests = self
                .shared
                .changed
                .wait_timeout(requests, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of it has been printed.
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Desk {
    socket: UdpSocket,
    manners: HashMap<&'static str, Manner>,
    /// The number that a Call-ID is about, and the branches seen of it.
    users: HashMap<String, (String, Vec<String>)>,
    nonces: u32,
}

impl Desk {
    fn take(&mut self, request: &str, from: SocketAddr, shared: &Shared) {
        let Ok(method) = self.note(request, shared) else {
            return;
        };
        let number = user_of(request).unwrap_or_default();
        let manner = self.manners.get(number).copied();
        let answer = match (method.as_str(), manner) {
            ("ACK", _) => return,
            ("INVITE", Some(Manner::Ring)) => {
                let busy = response(request, 486, "Busy Here", "", "");
                lock(&shared.ringing).insert(number.to_owned(), (busy, from));
                Some(response(request, 180, "Ringing", "", ""))
            }
            ("INVITE", Some(manner)) => self.answer(request, manner),
            ("INVITE", None) => Some(response(request, 404, "Not Found", "", "")),
            _ => Some(response(request, 200, "OK", "", "")),
        };
        if let Some(answer) = answer {
            // Whoever called may be gone.
            let _ = self.socket.send_to(answer.as_bytes(), from);
        }
    }

    /// Keeps the method, once a transaction.
    fn note(&mut self, request: &str, shared: &Shared) -> Result<String> {
        let method = request.split(' ').next().unwrap_or_default().to_owned();
        let call_id = header(request, "Call-ID").context("no Call-ID")?;
        let branch = header(request, "Via").context("no Via")?;
        let number = user_of(request).unwrap_or_default();
        let (number, seen) = self
            .users
            .entry(call_id.to_owned())
            .or_insert_with(|| (number.to_owned(), Vec::new()));
        let transaction = format!("{method} {branch}");
        if !seen.contains(&transaction) {
            seen.push(transaction);
            let mut requests = lock(&shared.requests);
            requests
                .entry(number.clone())
                .or_default()
                .push(method.clone());
            shared.changed.notify_all();
        }
        Ok(method)
    }

    fn answer(&mut self, request: &str, manner: Manner) -> Option<String> {
        let contact = || {
            let here = self.socket.local_addr().ok()?;
            Some(format!("Contact: <sip:desk@{here}>\r\n"))
        };
        Some(match manner {
            Manner::Nothing | Manner::Ring => return None,
            Manner::SendOn(there) => {
                let contact = format!("Contact: <sip:bob@{there}>\r\n");
                response(request, 302, "Moved Temporarily", &contact, "")
            }
            Manner::Refuse(status, phrase) => response(request, status, phrase, "", ""),
            Manner::WithoutSdp => response(request, 200, "OK", &contact()?, ""),
            Manner::WithNonsense => {
                let headers = contact()? + "Content-Type: application/sdp\r\n";
                response(request, 200, "OK", &headers, "hello?\r\n")
            }
            Manner::Challenge(status, nonce) => {
                self.nonces += 1;
                let name = match status {
                    407 => "Proxy-Authenticate",
                    _ => "WWW-Authenticate",
                };
                let nonce = match nonce {
                    Nonce::Another => format!(", nonce=\"n{}\"", self.nonces),
                    Nonce::Stale => format!(", nonce=\"n{}\", stale=true", self.nonces),
                    Nonce::Missing => String::new(),
                };
                let challenge = format!(
                    "{name}: Digest realm=\"provider.example\"{nonce}, algorithm=MD5, qop=\"auth\"\r\n"
                );
                let phrase = match status {
                    407 => "Proxy Authentication Required",
                    _ => "Unauthorized",
                };
                response(request, status, phrase, &challenge, "")
            }
        })
    }
}

/// The user part of the Request-URI.
fn user_of(request: &str) -> Option<&str> {
    let uri = request.split(' ').nth(1)?;
    uri.strip_prefix("sip:")?.split('@').next()
}

fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':'))
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// `headers` are whole lines.
fn response(request: &str, status: u16, phrase: &str, headers: &str, body: &str) -> String {
    let copied: String = request
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| {
            let name = line.split(':').next().unwrap_or_default();
            ["Via", "From", "To", "Call-ID", "CSeq"].contains(&name)
        })
        .map(|line| {
            let tag = match line.starts_with("To:") && !line.contains(";tag=") {
                true => ";tag=desk",
                false => "",
            };
            format!("{line}{tag}\r\n")
        })
        .collect();
    format!(
        "SIP/2.0 {status} {phrase}\r\n{copied}{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
