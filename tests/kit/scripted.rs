// SPDX-License-Identifier: MPL-2.0
//! An HTTP server that says whatever it is told to.

use crate::out_dir;
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Message, accept_hdr};

/// Requests, whole: method, path, headers and body.
#[derive(Default)]
struct Asked {
    requests: Mutex<Vec<String>>,
    more: Condvar,
}

impl Asked {
    fn requests(&self) -> MutexGuard<'_, Vec<String>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server that answers each request as it is told to: with a whole answer, or with nothing at all.
pub struct Scripted {
    pub address: SocketAddr,
    asked: Arc<Asked>,
}

impl Scripted {
    pub fn start(
        answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Scripted> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let asked = Arc::<Asked>::default();
        let (told, answer) = (asked.clone(), Arc::new(answer));
        // Ends with the process: nothing interrupts an accept.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (told, answer) = (told.clone(), answer.clone());
                std::thread::spawn(move || serve(stream, &told, &*answer));
            }
        });
        Ok(Scripted { address, asked })
    }

    /// Says nothing to anybody.
    pub fn silent() -> Result<Scripted> {
        Scripted::start(|_| None)
    }

    /// Speaks another protocol.
    pub fn babbling() -> Result<Scripted> {
        Scripted::start(|_| Some("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned()))
    }

    /// Speaks Janus' WebSocket, and gives everything that it is asked the same answer.
    pub fn websocket(answer: Value) -> Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = answer.clone();
                std::thread::spawn(move || converse(stream, answer));
            }
        });
        Ok(address)
    }

    /// Everything that was asked.
    pub fn asked(&self) -> Vec<String> {
        self.asked.requests().clone()
    }

    /// Fails unless this is asked within the time.
    pub fn is_asked(&self, for_what: &str, within: Duration) -> Result<()> {
        let is_there =
            |requests: &Vec<String>| requests.iter().any(|one| one.starts_with(for_what));
        let more = &self.asked.more;
        let waited = more.wait_timeout_while(self.asked.requests(), within, |requests| {
            !is_there(requests)
        });
        let (requests, _) = waited.unwrap_or_else(PoisonError::into_inner);
        ensure!(is_there(&requests), "{for_what} is not asked: {requests:?}");
        Ok(())
    }
}

/// A response without a body, unless there is one.
pub fn response(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A folder's file with a secret, and the secret.
pub fn secret(scenario: &str, name: &str) -> Result<(String, String)> {
    let folder = out_dir(scenario);
    std::fs::create_dir_all(&folder)?;
    let value = format!("{:032x}", rand::random::<u128>());
    let path = folder.join(name);
    std::fs::write(&path, &value)?;
    Ok((path.display().to_string(), value))
}

fn converse(stream: TcpStream, mut answer: Value) -> Result<()> {
    let mut socket = accept_hdr(stream, agree).ok().context("no WebSocket")?;
    while let Message::Text(text) = socket.read()? {
        let asked: Value = serde_json::from_str(&text)?;
        answer["transaction"] = asked["transaction"].clone();
        socket.send(Message::text(answer.to_string()))?;
    }
    Ok(())
}

#[expect(clippy::result_large_err, reason = "the callback's type is given")]
fn agree(_: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let protocol = HeaderValue::from_static("janus-protocol");
    response
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", protocol);
    Ok(response)
}

fn serve(stream: TcpStream, told: &Asked, answer: &dyn Fn(&str) -> Option<String>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_it = name.eq_ignore_ascii_case("content-length");
            is_it.then(|| value.trim().parse::<usize>().ok())?
        });
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        let request = head + &String::from_utf8_lossy(&body);
        told.requests().push(request.clone());
        told.more.notify_all();
        match answer(&request) {
            Some(answer) => stream.write_all(answer.as_bytes()).ok()?,
            // Silent until the client has enough of it.
            None => drop(reader.read(&mut [0]).ok()?),
        }
    }
}
