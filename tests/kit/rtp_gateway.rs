// SPDX-License-Identifier: MPL-2.0
//! A server as an operator of Janus would write it for `kind = "rtp"`: it lets phones into a room as remote
//! publishers, and has `rtp_forward` bring them what the others say.

use crate::janus::Janus;
use crate::videoroom::VideoRoom;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{broadcast, watch};

/// Janus' own: the first stream of a remote publisher has this SSRC, the next ones others.
const REMOTE_SSRC: u32 = 1_000;

pub struct Gateway {
    address: SocketAddr,
    desk: Arc<Desk>,
    _runtime: Runtime,
}

impl Gateway {
    /// Serves `room`, which it makes, of this Janus.
    pub fn start(janus: &Janus, room: &str) -> Result<Gateway> {
        let runtime = Runtime::new()?;
        let (address, desk) = runtime.block_on(async {
            let desk = Desk::open(janus, room).await?;
            let served = desk.clone();
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let address = listener.local_addr()?;
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let desk = served.clone();
                    tokio::spawn(async move {
                        if let Err(error) = desk.serve(stream).await {
                            println!("the gateway: {error:#}");
                        }
                    });
                }
            });
            Ok::<_, anyhow::Error>((address, desk))
        })?;
        Ok(Gateway {
            address,
            desk,
            _runtime: runtime,
        })
    }

    pub fn url(&self) -> String {
        format!("http://{}/rtp", self.address)
    }

    /// Tells everybody who was let in by one more line.
    pub fn tell(&self, line: &Value) {
        // Nobody may be in.
        let _ = self.desk.lines.send(line.to_string());
    }

    /// What those who were let in told: each `data` and `attributes`, as it was asked.
    pub fn told(&self) -> watch::Receiver<Vec<Value>> {
        self.desk.told.subscribe()
    }
}

/// Our handle in Janus' VideoRoom.
struct Desk {
    room: String,
    videoroom: VideoRoom,
    /// Who publishes, by id: display name and the `mid` of their audio.
    people: watch::Receiver<BTreeMap<String, (String, String)>>,
    /// Of those who were let in.
    names: Mutex<HashMap<String, Value>>,
    /// What is forwarded, by track and whom it is for.
    forwarded: Mutex<HashMap<(String, String), Value>>,
    told: watch::Sender<Vec<Value>>,
    lines: broadcast::Sender<String>,
}

impl Desk {
    async fn open(janus: &Janus, room: &str) -> Result<Arc<Desk>> {
        let (tell, people) = watch::channel(BTreeMap::new());
        let noted = move |data: &Value| tell.send_modify(|people| note(people, data));
        let videoroom = VideoRoom::open(janus, noted).await?;
        videoroom.create(room, 20, None).await?;
        let join = json!({"request": "join", "ptype": "publisher", "room": room, "id": "gateway"});
        videoroom.message(join).await?;
        Ok(Arc::new(Desk {
            room: room.to_owned(),
            videoroom,
            people,
            names: Mutex::default(),
            forwarded: Mutex::default(),
            told: watch::Sender::default(),
            lines: broadcast::Sender::new(16),
        }))
    }

    async fn serve(&self, stream: TcpStream) -> Result<()> {
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::new(read);
        let mut length = 0;
        loop {
            let mut line = String::new();
            read.read_line(&mut line).await?;
            if line.trim().is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or_default();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        read.read_exact(&mut body).await?;
        if body.is_empty() {
            // Only to see whether anybody is there.
            return Ok(());
        }
        let request: Value = serde_json::from_slice(&body)?;
        if request["action"] == "join" {
            return self.let_in(&request, &mut read, &mut write).await;
        }
        let (status, answer) = match self.act(&request).await {
            Ok(answer) => (200, answer),
            Err(error) => {
                println!("the gateway: {error:#}");
                (500, json!({"error": format!("{error:#}")}))
            }
        };
        answer_with(&mut write, status, &answer).await
    }

    /// Tells who is there for as long as the participant is.
    async fn let_in(
        &self,
        request: &Value,
        read: &mut (impl AsyncReadExt + Unpin),
        write: &mut (impl AsyncWriteExt + Unpin),
    ) -> Result<()> {
        let who = &request["participant"];
        let id = who["id"].as_str().context("somebody")?;
        if request["room"] != self.room {
            return answer_with(write, 404, &json!({"error": "there is no such room"})).await;
        }
        let mut people = self.people.clone();
        if people.borrow().contains_key(id) {
            return answer_with(
                write,
                409,
                &json!({"error": "somebody of that name is there"}),
            )
            .await;
        }
        write
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n")
            .await?;
        let name = who["name"].clone();
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.to_owned(), name);
        let mut over = [0];
        let mut lines = self.lines.subscribe();
        loop {
            let list: Vec<Value> = people
                .borrow_and_update()
                .iter()
                .map(|(id, (name, mid))| json!({"id": id, "name": name, "tracks": [format!("{id}/{mid}")]}))
                .collect();
            let line = format!("{}\n", json!({"participants": list}));
            write.write_all(line.as_bytes()).await?;
            tokio::select! {
                changed = people.changed() => changed?,
                line = lines.recv() => write.write_all(format!("{}\n", line?).as_bytes()).await?,
                // It leaves, or is gone.
                _ = read.read(&mut over) => {
                    let gone = json!({"request": "remove_remote_publisher", "room": self.room, "id": id});
                    // It has said goodbye, or never published.
                    let _ = self.videoroom.message(gone).await;
                    return Ok(());
                }
            }
        }
    }

    async fn act(&self, request: &Value) -> Result<Value> {
        let media = &request["media"];
        let who = request["participant"].as_str().context("somebody")?;
        let srtp = |key: &Value| -> Value {
            let suite = if key["suite"] == "AES_CM_128_HMAC_SHA1_80" {
                80
            } else {
                32
            };
            json!({"srtp_suite": suite, "srtp_crypto": key["key"]})
        };
        match request["action"].as_str() {
            Some("publish") => {
                let streams = json!([{"type": "audio", "mindex": 0, "mid": "0", "codec": "opus"}]);
                let name = self
                    .names
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get(who)
                    .cloned();
                let added = json!({"request": "add_remote_publisher", "room": self.room, "id": who,
                    "display": name, "streams": streams});
                let added = self.videoroom.message(added).await?;
                Ok(
                    json!({"media": {"address": "127.0.0.1", "port": added["port"],
                    "rtcp_port": added["rtcp_port"], "ssrc": REMOTE_SSRC}}),
                )
            }
            Some("hear") => {
                let track = request["track"].as_str().context("a track")?;
                let (of, mid) = track.rsplit_once('/').context("a track")?;
                let mut stream = json!({"mid": mid, "host": media["address"], "port": media["port"],
                    "pt": media["payload_type"], "rtcp_port": media["rtcp_port"], "ssrc": 77});
                if !media["srtp"].is_null() {
                    for (name, value) in srtp(&media["srtp"]).as_object().into_iter().flatten() {
                        stream[name] = value.clone();
                    }
                }
                let forward = json!({"request": "rtp_forward", "room": self.room, "publisher_id": of, "host": media["address"], "streams": [stream]});
                let forwarded = self.videoroom.message(forward).await?;
                let id = forwarded["forwarders"][0]["stream_id"].clone();
                let key = (track.to_owned(), who.to_owned());
                self.forwarded
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(key, id);
                Ok(json!({"media": {"ssrc": 77}}))
            }
            Some("unhear") => {
                let track = request["track"].as_str().context("a track")?;
                let key = (track.to_owned(), who.to_owned());
                let id = self
                    .forwarded
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(&key);
                let (of, _) = track.rsplit_once('/').context("a track")?;
                self.videoroom.message(json!({"request": "stop_rtp_forward", "room": self.room, "publisher_id": of, "stream_id": id}))
                    .await?;
                Ok(json!({}))
            }
            Some("data" | "attributes") => {
                self.told.send_modify(|told| told.push(request.clone()));
                Ok(json!({}))
            }
            Some("leave" | "unpublish") => {
                self.videoroom
                    .message(
                        json!({"request": "remove_remote_publisher", "room": self.room, "id": who}),
                    )
                    .await?;
                Ok(json!({}))
            }
            _ => Ok(json!({})),
        }
    }
}

/// Takes note of who publishes and who does no longer.
fn note(people: &mut BTreeMap<String, (String, String)>, data: &Value) {
    for publisher in data["publishers"].as_array().into_iter().flatten() {
        let Some(id) = publisher["id"].as_str() else {
            continue;
        };
        let name = publisher["display"].as_str().unwrap_or(id);
        let mut streams = publisher["streams"].as_array().into_iter().flatten();
        let audio = streams.find(|stream| stream["type"] == "audio" && stream["disabled"] != true);
        if let Some(mid) = audio.and_then(|audio| audio["mid"].as_str()) {
            people.insert(id.to_owned(), (name.to_owned(), mid.to_owned()));
        }
    }
    for gone in ["leaving", "unpublished"] {
        if let Some(id) = data[gone].as_str() {
            people.remove(id);
        }
    }
}

async fn answer_with(
    write: &mut (impl AsyncWriteExt + Unpin),
    status: u16,
    answer: &Value,
) -> Result<()> {
    let body = answer.to_string();
    let head = format!(
        "HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    write.write_all(head.as_bytes()).await?;
    write.write_all(body.as_bytes()).await?;
    Ok(())
}
