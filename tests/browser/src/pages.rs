// SPDX-License-Identifier: MPL-2.0
//! What a browser is shown, and what its pages tell: a small HTTP server on loopback.

use anyhow::{Context as _, Result, bail};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// How long a request may take to come once its connection is open.
const SLOW: Duration = Duration::from_secs(5);

/// A file for a path, without its leading slash and its query.
pub type Files = Box<dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync>;

pub struct Pages {
    address: SocketAddr,
    told: Receiver<Told>,
    closed: Arc<AtomicBool>,
}

/// What a page has posted; it waits for the answer.
pub struct Told {
    pub path: String,
    pub body: String,
    stream: TcpStream,
}

impl Pages {
    pub fn open(files: Files) -> Result<Pages> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (tell, told) = channel();
        let closed = Arc::new(AtomicBool::new(false));
        let over = closed.clone();
        let files = Arc::new(files);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let (files, tell) = (files.clone(), tell.clone());
                // A browser also opens connections that it may need later.
                std::thread::spawn(move || serve(stream, &files, &tell));
            }
        });
        Ok(Pages {
            address,
            told,
            closed,
        })
    }

    /// What to open in a browser.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// What is told next, unless it is that the page has failed.
    pub fn told(&self, patience: Duration) -> Result<Told> {
        let told = self.told.recv_timeout(patience);
        let told = told.with_context(|| format!("the page tells nothing within {patience:?}"))?;
        match &*told.path {
            "/error" => bail!("the page: {}", told.body),
            _ => Ok(told),
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        // Its thread waits for a connection.
        let _ = TcpStream::connect(self.address);
    }
}

impl Told {
    pub fn answer(mut self, kind: &str, body: &str, location: Option<&str>) -> Result<()> {
        let location = location
            .map(|at| format!("Location: {at}\r\n"))
            .unwrap_or_default();
        respond(&mut self.stream, "200 OK", kind, &location, body.as_bytes())
    }

    /// As [`answer`](Self::answer), where nothing is to be said.
    pub fn heard(self) -> Result<()> {
        self.answer("text/plain", "", None)
    }
}

/// Whoever opened the connection and does not hear the answer has gone: nobody is left to be told.
fn serve(mut stream: TcpStream, files: &Files, tell: &Sender<Told>) {
    let Ok((method, path, body)) = request(&stream) else {
        return;
    };
    if method == "POST" {
        let _ = tell.send(Told { path, body, stream });
        return;
    }
    let path = path.split('?').next().unwrap_or_default();
    let kind = match path.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "json")) => "application/json",
        _ => "text/html; charset=utf-8",
    };
    let _ = match files(path.trim_start_matches('/')) {
        Some(file) => respond(&mut stream, "200 OK", kind, "", &file),
        None => respond(&mut stream, "404 Not Found", kind, "", b""),
    };
}

/// Method, path and body.
fn request(stream: &TcpStream) -> Result<(String, String, String)> {
    stream.set_read_timeout(Some(SLOW))?;
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    for line in reader.by_ref().lines() {
        match line? {
            line if line.is_empty() => break,
            line => head.push(line),
        }
    }
    let length = head.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().to_owned())
    });
    let length = length.map_or(Ok(0), |length| length.parse())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut words = head.first().context("a request line")?.split(' ');
    let method = words.next().context("a method")?.to_owned();
    let path = words.next().context("a path")?.to_owned();
    Ok((method, path, String::from_utf8(body)?))
}

fn respond(
    stream: &mut TcpStream,
    status: &str,
    kind: &str,
    location: &str,
    body: &[u8],
) -> Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{location}\
         Connection: close\r\n\r\n"
    )?;
    Ok(stream.write_all(body)?)
}
