// SPDX-License-Identifier: MPL-2.0
//! Plain TCP: connections that the agent's own task reads and writes. A task of each one's own, with a
//! queue and a timer, costs more than all it would do.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Instant;

use rustc_hash::FxHashMap;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use super::connection::{CHUNK, TOGETHER, WRITE_WITHIN};
use super::stream::Happening;
use super::tls::refusal;
use crate::surplus::{Surplus, take};
use crate::transaction::Packet;
use crate::transport::FlowId;

/// Connections that were rung for, and who is to be woken for the next.
#[derive(Default)]
struct Board {
    rung: Vec<FlowId>,
    agent: Option<Waker>,
}

/// What a connection rings when it can be read or written again.
struct Bell {
    flow: FlowId,
    /// It is on the board, or among those that are looked at.
    rung: AtomicBool,
    board: Arc<Mutex<Board>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.rung.swap(true, Ordering::AcqRel) {
            return;
        }
        let agent = {
            let mut board = lock(&self.board);
            board.rung.push(self.flow);
            board.agent.take()
        };
        if let Some(agent) = agent {
            agent.wake();
        }
    }
}

struct Connection {
    stream: TcpStream,
    bell: Arc<Bell>,
    /// Rings the bell.
    waker: Waker,
    unwritten: VecDeque<Packet>,
    /// Octets of the first of them that were written.
    written: usize,
    /// Since when the far end takes nothing.
    stuck_since: Option<Instant>,
    /// Nothing is read any more; what is left is written.
    closing: bool,
}

impl Connection {
    /// Writes what the far end takes; how many octets that were.
    fn write(&mut self, now: Instant) -> Result<usize, String> {
        let mut octets = 0;
        while !self.unwritten.is_empty() {
            match self.write_once() {
                Ok(taken) => {
                    octets += taken;
                    self.stuck_since = None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stuck_since.get_or_insert(now);
                    let mut cx = Context::from_waker(&self.waker);
                    match self.stream.poll_write_ready(&mut cx) {
                        Poll::Pending => return Ok(octets),
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(error)) => return Err(error.to_string()),
                    }
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(octets)
    }

    /// As much as one system call takes.
    fn write_once(&mut self) -> io::Result<usize> {
        let mut pieces = [IoSlice::new(&[]); TOGETHER];
        let mut skip = self.written;
        let mut used = 0;
        for (piece, packet) in pieces.iter_mut().zip(&self.unwritten) {
            *piece = IoSlice::new(packet.get(skip..).unwrap_or_default());
            skip = 0;
            used += 1;
        }
        let taken = self
            .stream
            .try_write_vectored(pieces.get(..used).unwrap_or_default())?;
        self.written += taken;
        while let Some(length) = self.unwritten.front().map(|packet| packet.len())
            && self.written >= length
        {
            self.written -= length;
            take(&mut self.unwritten);
        }
        Ok(taken)
    }

    /// What has arrived; none at the end.
    fn read(&mut self, room: &mut [u8]) -> Poll<io::Result<Vec<u8>>> {
        let mut cx = Context::from_waker(&self.waker);
        let mut room = ReadBuf::new(room);
        let read = Pin::new(&mut self.stream).poll_read(&mut cx, &mut room);
        read.map_ok(|()| room.filled().to_vec())
    }
}

/// All of them.
pub(super) struct Plain {
    connections: FxHashMap<FlowId, Box<Connection>>,
    board: Arc<Mutex<Board>>,
    /// Those to look at.
    ready: VecDeque<FlowId>,
    /// Something was said to them since it was last written.
    spoken_to: Vec<FlowId>,
    /// Those whose far end does not take all it is sent.
    stuck: Vec<FlowId>,
    /// To be told before anything else.
    told: VecDeque<Happening>,
    /// Octets that went out, and over which connection.
    written: Vec<(FlowId, usize)>,
    room: Box<[u8]>,
}

impl Plain {
    pub(super) fn new() -> Plain {
        Plain {
            connections: FxHashMap::default(),
            board: Arc::default(),
            ready: VecDeque::new(),
            spoken_to: Vec::new(),
            stuck: Vec::new(),
            told: VecDeque::new(),
            written: Vec::new(),
            room: vec![0; CHUNK].into(),
        }
    }

    /// Takes a connection; what it has to say is told from now on.
    pub(super) fn adopt(&mut self, flow: FlowId, stream: TcpStream) {
        let bell = Arc::new(Bell {
            flow,
            rung: AtomicBool::new(true),
            board: self.board.clone(),
        });
        let connection = Connection {
            stream,
            waker: Waker::from(bell.clone()),
            bell,
            unwritten: VecDeque::new(),
            written: 0,
            stuck_since: None,
            closing: false,
        };
        self.connections.insert(flow, Box::new(connection));
        // Only a look shows whether something is there, and makes it ring.
        self.ready.push_back(flow);
    }

    pub(super) fn has(&self, flow: FlowId) -> bool {
        self.connections.contains_key(&flow)
    }

    /// To be written with the next [`write_out`](Self::write_out).
    pub(super) fn write(&mut self, flow: FlowId, packet: Packet) {
        let Some(connection) = self.connections.get_mut(&flow) else {
            return;
        };
        if connection.unwritten.is_empty() {
            self.spoken_to.push(flow);
        }
        connection.unwritten.push_back(packet);
    }

    /// Writes what was said since the last time.
    pub(super) fn write_out(&mut self, now: Instant) {
        let mut spoken_to = std::mem::take(&mut self.spoken_to);
        for flow in spoken_to.drain(..) {
            self.write_to(now, flow);
        }
        self.spoken_to = spoken_to;
    }

    /// What went out since this was asked last.
    pub(super) fn written(&mut self) -> impl Iterator<Item = (FlowId, usize)> {
        self.written.drain(..)
    }

    fn write_to(&mut self, now: Instant, flow: FlowId) {
        let Some(connection) = self.connections.get_mut(&flow) else {
            return;
        };
        let was_stuck = connection.stuck_since.is_some();
        match connection.write(now) {
            Ok(octets) => {
                let (done, closing) = (connection.unwritten.is_empty(), connection.closing);
                if !was_stuck && connection.stuck_since.is_some() {
                    self.stuck.push(flow);
                }
                if closing && done {
                    self.connections.remove(&flow);
                } else if octets > 0 {
                    self.written.push((flow, octets));
                }
            }
            Err(why) => self.give_up(flow, why),
        }
    }

    /// It is over, with all that was still to be written.
    fn give_up(&mut self, flow: FlowId, why: String) {
        if let Some(connection) = self.connections.remove(&flow)
            && !connection.closing
        {
            self.told.push_back(Happening::Closed(flow, why));
        }
    }

    /// Closes a connection once all is written.
    pub(super) fn close(&mut self, now: Instant, flow: FlowId) {
        if let Some(connection) = self.connections.get_mut(&flow) {
            connection.closing = true;
            self.write_to(now, flow);
        }
    }

    /// When the patience with a far end that takes nothing ends.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let stuck = self.stuck.iter();
        let since = stuck.filter_map(|flow| self.connections.get(flow)?.stuck_since);
        since.min().map(|since| since + WRITE_WITHIN)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let mut stuck = std::mem::take(&mut self.stuck);
        stuck.retain(|flow| {
            let since = self
                .connections
                .get(flow)
                .and_then(|connection| connection.stuck_since);
            match since {
                Some(since) if now >= since + WRITE_WITHIN => {
                    self.give_up(
                        *flow,
                        "the far end does not read what it is sent".to_owned(),
                    );
                    false
                }
                since => since.is_some(),
            }
        });
        self.stuck = stuck;
        self.connections.give_back();
    }

    /// The next thing that a connection tells; who waits for it is woken when there is more.
    pub(super) fn poll_happening(&mut self, cx: &mut Context<'_>) -> Poll<Happening> {
        if let Some(happening) = self.try_happening() {
            return Poll::Ready(happening);
        }
        let mut board = lock(&self.board);
        match board.rung.is_empty() {
            true => board.agent = Some(cx.waker().clone()),
            // It rang meanwhile, or the runtime wants others to have a turn first.
            false => cx.waker().wake_by_ref(),
        }
        Poll::Pending
    }

    pub(super) fn try_happening(&mut self) -> Option<Happening> {
        if self.ready.is_empty() {
            // Once: one for which there is no turn left rings at once.
            self.ready.extend(lock(&self.board).rung.drain(..));
        }
        loop {
            if let Some(happening) = take(&mut self.told) {
                return Some(happening);
            }
            let flow = take(&mut self.ready)?;
            if let Some(happening) = self.look_at(flow) {
                return Some(happening);
            }
        }
    }

    fn look_at(&mut self, flow: FlowId) -> Option<Happening> {
        let connection = self.connections.get_mut(&flow)?;
        // Whatever comes from here on rings again.
        connection.bell.rung.store(false, Ordering::Release);
        if connection.stuck_since.is_some() {
            self.write_to(Instant::now(), flow);
        }
        let connection = self.connections.get_mut(&flow)?;
        if connection.closing {
            return None;
        }
        match connection.read(&mut self.room) {
            Poll::Pending => None,
            Poll::Ready(Ok(octets)) if octets.is_empty() => Some(Happening::Closed(
                flow,
                "the far end closed the connection".to_owned(),
            )),
            Poll::Ready(Ok(octets)) => {
                // There may be more: after the others.
                if !connection.bell.rung.swap(true, Ordering::AcqRel) {
                    self.ready.push_back(flow);
                }
                Some(Happening::Received(flow, octets))
            }
            Poll::Ready(Err(error)) => Some(Happening::Closed(flow, refusal(&error))),
        }
    }

    /// Closes all once what is left is written.
    pub(super) async fn farewell(&mut self) {
        let now = Instant::now();
        let flows: Vec<FlowId> = self.connections.keys().copied().collect();
        for flow in flows {
            self.close(now, flow);
        }
        poll_fn(|cx| {
            while !self.connections.is_empty() {
                ready!(self.poll_happening(cx));
            }
            Poll::Ready(())
        })
        .await;
    }
}

fn lock(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
