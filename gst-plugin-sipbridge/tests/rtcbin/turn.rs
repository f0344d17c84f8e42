// SPDX-License-Identifier: MPL-2.0
//! As much of TURN (RFC 8656) as a server needs that gives addresses, relays nothing, and takes them back.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use turn_client_proto::types::attribute::{Lifetime, XorRelayedAddress};
use turn_client_proto::types::message::{ALLOCATE, CREATE_PERMISSION, REFRESH};
use turn_client_proto::types::stun::attribute::{ErrorCode, Nonce, Realm, Username};
use turn_client_proto::types::stun::message::{
    IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageWriteVec,
};
use turn_client_proto::types::stun::prelude::*;

const REALM: &str = "home";
/// How often it looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);

pub struct Turn {
    address: SocketAddr,
    books: Arc<Books>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What it gives, and what came back.
#[derive(Default)]
struct Books {
    /// How long the next address is somebody's. Of a short time half is left when more is asked for.
    lifetime_s: AtomicU32,
    /// It is said that it is nobody's then.
    forgets: AtomicBool,
    given: AtomicU32,
    given_back: AtomicU32,
}

impl Turn {
    pub fn start() -> Turn {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(LOOK)).unwrap();
        let address = socket.local_addr().unwrap();
        let (books, ended) = (Arc::<Books>::default(), Arc::<AtomicBool>::default());
        books.lifetime_s.store(600, Ordering::Relaxed);
        let (open, end) = (books.clone(), ended.clone());
        let thread = std::thread::spawn(move || {
            let mut room = [0; 2_048];
            while !end.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut room) else {
                    continue;
                };
                let Ok(request) = Message::from_bytes(&room[..length]) else {
                    continue;
                };
                if let Some(answer) = answer(&request, &open) {
                    socket.send_to(&answer, from).unwrap();
                }
            }
        });
        Turn {
            address,
            books,
            ended,
            thread: Some(thread),
        }
    }

    /// As `turn-server` has it.
    pub fn url(&self) -> String {
        format!("turn://ann:secret@{}", self.address)
    }

    /// How long it lets somebody have the next address, and whether it has forgotten that they do when they ask
    /// for more time.
    pub fn gives(&self, lifetime_s: u32, forgets: bool) {
        self.books.lifetime_s.store(lifetime_s, Ordering::Relaxed);
        self.books.forgets.store(forgets, Ordering::Relaxed);
    }

    /// Addresses that came back before their time.
    pub fn given_back(&self) -> u32 {
        self.books.given_back.load(Ordering::Relaxed)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(request: &Message<'_>, books: &Books) -> Option<Vec<u8>> {
    // What is to be passed on is an indication.
    if !request.has_class(MessageClass::Request) {
        return None;
    }
    let ann = LongTermKeyCredentials::new("ann".into(), "secret".into(), REALM.into()).into();
    let refused = |code| {
        let mut answer = Message::builder_error(request, MessageWriteVec::new());
        let code = ErrorCode::builder(code).build().unwrap();
        answer.add_attribute(&code).unwrap();
        answer
    };
    if request.attribute::<Username>().is_err() {
        let mut answer = refused(ErrorCode::UNAUTHORIZED);
        answer.add_attribute(&Realm::new(REALM).unwrap()).unwrap();
        answer.add_attribute(&Nonce::new("once").unwrap()).unwrap();
        return Some(answer.finish());
    }
    request.validate_integrity(&ann).ok()?;
    let mut answer = Message::builder_success(request, MessageWriteVec::new());
    match request.method() {
        ALLOCATE => {
            let number = books.given.fetch_add(1, Ordering::Relaxed) as u16 + 1;
            let relayed = SocketAddr::from(([192, 0, 2, 1], 50_000 + number));
            let relayed = XorRelayedAddress::new(relayed, request.transaction_id());
            answer.add_attribute(&relayed).unwrap();
            let lifetime = Lifetime::new(books.lifetime_s.load(Ordering::Relaxed));
            answer.add_attribute(&lifetime).unwrap();
        }
        REFRESH => {
            let asked = request.attribute::<Lifetime>().unwrap();
            if asked.seconds() == 0 {
                books.given_back.fetch_add(1, Ordering::Relaxed);
            }
            if books.forgets.load(Ordering::Relaxed) {
                answer = refused(ErrorCode::ALLOCATION_MISMATCH);
            } else {
                answer.add_attribute(&asked).unwrap();
            }
        }
        CREATE_PERMISSION => {}
        _ => return None,
    }
    let signed = answer.add_message_integrity(&ann, IntegrityAlgorithm::Sha1);
    signed.unwrap();
    Some(answer.finish())
}
