// SPDX-License-Identifier: MPL-2.0
//! A Janus of our own: a child process with a private configuration and free ports.
//!
//! Its API listens on loopback. Its media does not: Janus 1.1 leaves loopback out of ICE whatever one
//! configures. It gets the machine's own address instead, which nobody but this machine can use to
//! talk to itself, and what a machine sends to its own address does not leave it.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sip_ua::agent::{Tls, TlsFiles};

use crate::sfu::janus::JanusConfig;

/// How the Janus shall be set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Rooms and participants have names, rather than numbers.
    pub string_ids: bool,
    /// Whoever wants anything must say this.
    pub api_secret: Option<String>,
    /// … or bring a token that is signed with this.
    pub token_secret: Option<String>,
    /// Its WebSocket API speaks TLS with this certificate and key; our own connections believe the
    /// authority.
    pub tls: Option<TlsFiles>,
    /// So many seconds it keeps a session whose connection broke; 0: none.
    pub reclaim_s: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            string_ids: true,
            api_secret: None,
            token_secret: None,
            tls: None,
            reclaim_s: 0,
        }
    }
}

/// A running Janus with VideoRoom and WebSockets, and nothing else. Killed when dropped.
pub struct Janus {
    child: Child,
    folder: PathBuf,
    address: SocketAddr,
    media: IpAddr,
    tls: Option<Tls>,
}

/// Everything up to the first answer; a busy machine takes its time to load libraries.
const START_PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

impl Janus {
    /// Starts one, and waits until it listens.
    pub async fn start(options: Options) -> io::Result<Janus> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let folder = std::env::temp_dir().join(format!(
            "sipbridge-janus-{}-{:016x}",
            std::process::id(),
            rand::random::<u64>()
        ));
        fs::create_dir(&folder)?;
        let media = own_address()?;
        let tls = options.tls.as_ref().map(believing).transpose()?;
        let started = configure(&folder, port, media, &options).and_then(|()| spawn(&folder));
        let child = match started {
            Ok(child) => child,
            Err(e) => {
                let _ = fs::remove_dir_all(&folder);
                return Err(e);
            }
        };
        let mut janus = Janus {
            child,
            folder,
            address: port,
            media,
            tls,
        };
        janus.until_it_listens().await?;
        Ok(janus)
    }

    /// Where its WebSocket API is.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "wss" } else { "ws" };
        format!("{scheme}://{}", self.address)
    }

    /// The same, as an address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A connector's configuration for it, which creates rooms at will.
    pub fn config(&self, name: &str) -> JanusConfig {
        JanusConfig {
            room_create: true,
            tls: self.tls.clone().unwrap_or_default(),
            ..JanusConfig::new(name, self.url())
        }
    }

    /// The address its media has, and its peers should use to reach it.
    pub fn media(&self) -> IpAddr {
        self.media
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its log goes.
    pub fn log(&self) -> PathBuf {
        self.folder.join("janus.log")
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Starts it once more, on the same port.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.kill()?;
        self.child = spawn(&self.folder)?;
        self.until_it_listens().await
    }

    async fn until_it_listens(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            if tokio::net::TcpStream::connect(self.address).await.is_ok() {
                return Ok(());
            }
            let problem = if let Some(status) = self.child.try_wait()? {
                format!("ended with {status}")
            } else if Instant::now() > deadline {
                format!("does not listen after {START_PATIENCE:?}")
            } else {
                tokio::time::sleep(POLL).await;
                continue;
            };
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(5).collect();
            return Err(io::Error::other(format!(
                "janus {problem}; its last words, latest first: {last:?}"
            )));
        }
    }
}

impl Drop for Janus {
    fn drop(&mut self) {
        let _ = self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn spawn(folder: &Path) -> io::Result<Child> {
    let log = fs::File::create(folder.join("janus.log"))?;
    Command::new("janus")
        .arg("--configs-folder")
        .arg(folder)
        .arg("--disable-colors")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => io::Error::new(
                e.kind(),
                "there is no program janus; Debian's package of it is called janus",
            ),
            _ => e,
        })
}

/// The address that this machine would use to reach others. Nothing is sent to find out.
pub fn own_address() -> io::Result<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    // From the block that is kept for documentation.
    let elsewhere = (Ipv4Addr::new(198, 51, 100, 1), 9);
    match socket.connect(elsewhere).and_then(|()| socket.local_addr()) {
        Ok(own) => Ok(own.ip()),
        Err(e) => Err(io::Error::new(
            e.kind(),
            format!("Janus needs a network address other than loopback, and there is none: {e}"),
        )),
    }
}

fn configure(
    folder: &Path,
    address: SocketAddr,
    media: IpAddr,
    options: &Options,
) -> io::Result<()> {
    let library = library()?;
    let part = |name: &str| library.join(name).display().to_string();
    let secret = match &options.api_secret {
        Some(secret) => format!("api_secret = \"{secret}\""),
        None => String::new(),
    };
    let tokens = match &options.token_secret {
        Some(secret) => format!("token_auth = true\n    token_auth_secret = \"{secret}\""),
        None => String::new(),
    };
    // Whatever is in these folders is loaded unless it is named here.
    let others = |kind: &str, keep: &str| -> io::Result<String> {
        let mut names = Vec::new();
        for entry in fs::read_dir(library.join(kind))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".so") && name != keep {
                names.push(name);
            }
        }
        Ok(names.join(","))
    };
    let core = format!(
        r#"general: {{
    configs_folder = "{configs}"
    plugins_folder = "{plugins}"
    transports_folder = "{transports}"
    events_folder = "{events}"
    loggers_folder = "{loggers}"
    debug_level = 4
    interface = "127.0.0.1"
    session_timeout = 30
    reclaim_session_timeout = {reclaim}
    {secret}
    {tokens}
}}
nat: {{ ice_enforce_list = "{media}" }}
plugins: {{ disable = "{no_plugins}" }}
transports: {{ disable = "{no_transports}" }}
events: {{ broadcast = false }}
"#,
        reclaim = options.reclaim_s,
        configs = folder.display(),
        plugins = part("plugins"),
        transports = part("transports"),
        events = part("events"),
        loggers = part("loggers"),
        no_plugins = others("plugins", "libjanus_videoroom.so")?,
        no_transports = others("transports", "libjanus_websockets.so")?,
    );
    fs::write(folder.join("janus.jcfg"), core)?;
    fs::write(
        folder.join("janus.transport.websockets.jcfg"),
        websockets(address, options.tls.as_ref()),
    )?;
    fs::write(
        folder.join("janus.plugin.videoroom.jcfg"),
        format!("general: {{ string_ids = {} }}\n", options.string_ids),
    )
}

fn websockets(address: SocketAddr, tls: Option<&TlsFiles>) -> String {
    let (ip, port) = (address.ip(), address.port());
    let file = |file: &Option<PathBuf>| {
        let file = file.as_deref().unwrap_or(Path::new(""));
        file.display().to_string()
    };
    let (listens, certificate) = match tls {
        None => (
            format!("ws = true; ws_ip = \"{ip}\"; ws_port = {port}; wss = false"),
            String::new(),
        ),
        Some(tls) => (
            format!("ws = false; wss = true; wss_ip = \"{ip}\"; wss_port = {port}"),
            format!(
                "certificates: {{ cert_pem = \"{}\"; cert_key = \"{}\" }}\n",
                file(&tls.cert_file),
                file(&tls.key_file)
            ),
        ),
    };
    format!(
        "general: {{ json = \"compact\"; {listens} }}\n{certificate}\
         admin: {{ admin_ws = false; admin_wss = false }}\n"
    )
}

/// Who believes the authority among these files.
fn believing(files: &TlsFiles) -> io::Result<Tls> {
    Tls::load(TlsFiles {
        ca_file: files.ca_file.clone(),
        ..TlsFiles::default()
    })
    .map_err(io::Error::other)
}

/// Where the distribution keeps Janus' parts.
fn library() -> io::Result<PathBuf> {
    let mut homes = vec![
        PathBuf::from("/usr/lib/janus"),
        PathBuf::from("/usr/local/lib/janus"),
        PathBuf::from("/opt/janus/lib/janus"),
    ];
    for entry in fs::read_dir("/usr/lib")? {
        homes.push(entry?.path().join("janus"));
    }
    homes
        .into_iter()
        .find(|home| home.join("plugins/libjanus_videoroom.so").is_file())
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                "Janus' VideoRoom plugin is not installed; Debian's package of it is called janus",
            )
        })
}
