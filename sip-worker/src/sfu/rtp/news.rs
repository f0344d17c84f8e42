// SPDX-License-Identifier: MPL-2.0
//! What the answer to `join` says of the room.
//!
//! Where it goes on, line by line, it says what happens in the room for as long as the stay lasts, and who hears
//! the end of it knows that the other is gone, however that came about.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, BodyDataStream, Bytes};
use futures_util::{Stream, StreamExt as _};
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use tokio::sync::mpsc;

use super::callout::{Caller, LONGEST};
use super::message::News;
use super::roster::Roster;
use crate::sfu::wire::told_wrong;
use crate::sfu::{ParticipantId, SfuError, SfuEvent, TrackId};

/// Reads the answer to `join`, or its first line where there are more to come.
pub(super) async fn begin(
    caller: &Caller,
    answer: Response<Incoming>,
) -> Result<(News, Option<NewsLines<BodyDataStream>>), SfuError> {
    let kind = answer.headers().get(CONTENT_TYPE);
    let goes_on = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-ndjson"));
    let nonsense = |why: String| caller.nonsense("join", why);
    let begun = async {
        if !goes_on {
            let body = caller.whole("join", answer).await?;
            let first = serde_json::from_slice(&body);
            return Ok((first.map_err(|why| nonsense(told_wrong(&why)))?, None));
        }
        let mut lines = NewsLines::of(Body::new(answer.into_body()).into_data_stream());
        let first = lines.next().await.map_err(nonsense)?;
        let first = first.ok_or_else(|| nonsense("it has no line".to_owned()))?;
        Ok((first, Some(lines)))
    };
    caller.in_time("join", begun).await
}

/// Tells what happens in the room.
pub(super) struct Follower {
    pub(super) me: String,
    pub(super) roster: Arc<Mutex<Roster>>,
    pub(super) events: mpsc::UnboundedSender<SfuEvent>,
}

impl Follower {
    pub(super) async fn follow(self, first: News, lines: Option<NewsLines<BodyDataStream>>) {
        if !self.on(first) {
            return;
        }
        let Some(mut lines) = lines else {
            // Nothing will be told, and the stay lasts until it is left.
            return std::future::pending().await;
        };
        let lost = loop {
            match lines.next().await {
                Ok(Some(news)) => {
                    if !self.on(news) {
                        return;
                    }
                }
                Ok(None) => break "its server ended the stay".to_owned(),
                Err(why) => break why,
            }
        };
        let _ = self.events.send(SfuEvent::Lost(lost));
    }

    /// `false`: it was the last.
    fn on(&self, news: News) -> bool {
        // The receiver may be gone, and the stay about to be.
        let send = |event| drop(self.events.send(event));
        if let Some(present) = news.participants {
            let mut roster = self.roster.lock().unwrap_or_else(PoisonError::into_inner);
            roster.update(&self.me, present).into_iter().for_each(send);
        }
        if let Some(talking) = news.talking {
            send(SfuEvent::Talking {
                track: TrackId(talking.track),
                talking: talking.talking,
            });
        }
        if let Some(muted) = news.muted {
            send(SfuEvent::Muted {
                track: TrackId(muted.track),
                muted: muted.muted,
            });
        }
        if let Some(told) = news.data {
            match told.and_then(|told| Ok((told.from, told.data.read()?))) {
                Ok((from, data)) => send(SfuEvent::Data {
                    from: from.map(ParticipantId),
                    data,
                }),
                // Nothing that is heard depends on it.
                Err(why) => tracing::debug!(why, "data that is none"),
            }
        }
        match news.expelled {
            Some(why) => {
                send(SfuEvent::Expelled(why));
                false
            }
            None => true,
        }
    }
}

/// An answer that goes on, line by line.
pub(super) struct NewsLines<S> {
    body: S,
    read: Vec<u8>,
    /// Where the next line begins.
    begins: usize,
    /// Up to here no line ends.
    looked: usize,
}

impl<S, E> NewsLines<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Display,
{
    fn of(body: S) -> NewsLines<S> {
        NewsLines {
            body,
            read: Vec::new(),
            begins: 0,
            looked: 0,
        }
    }

    /// The next line; empty ones, which keep the connection alive, are passed over.
    async fn next(&mut self) -> Result<Option<News>, String> {
        loop {
            let mut left = self.read.iter().skip(self.looked);
            if let Some(ends) = left.position(|byte| *byte == b'\n') {
                let ends = self.looked + ends;
                let line = self.read.get(self.begins..ends).unwrap_or_default();
                (self.begins, self.looked) = (ends + 1, ends + 1);
                let line = line.trim_ascii();
                if line.is_empty() {
                    continue;
                }
                let news = serde_json::from_slice(line);
                return news
                    .map(Some)
                    .map_err(|why| format!("a line is no news: {}", told_wrong(&why)));
            }
            // What came with them moves once for all lines that came together, not for each.
            self.read.drain(..self.begins);
            (self.begins, self.looked) = (0, self.read.len());
            if self.read.len() > LONGEST {
                return Err("a line has no end".to_owned());
            }
            match self.body.next().await {
                Some(Ok(data)) => self.read.extend_from_slice(&data),
                Some(Err(error)) => return Err(error.to_string()),
                None => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;

    use super::*;
    use crate::sfu::{Content, Data};

    type Piece = Result<Bytes, Infallible>;

    fn lines(pieces: impl IntoIterator<Item = Vec<u8>>) -> NewsLines<impl Stream<Item = Piece>> {
        let pieces: Vec<Piece> = pieces.into_iter().map(|piece| Ok(piece.into())).collect();
        NewsLines::of(stream::iter(pieces))
    }

    async fn expelled(lines: &mut NewsLines<impl Stream<Item = Piece> + Unpin>) -> Option<String> {
        lines
            .next()
            .await
            .unwrap()
            .map(|news| news.expelled.unwrap())
    }

    #[tokio::test]
    async fn lines_are_the_same_however_they_are_cut() {
        let said =
            b"\n{\"expelled\":\"a\"}\r\n\n{\"expelled\":\"b\"}\n{\"expelled\":\"cut".to_vec();
        for cut in 0..said.len() {
            let (one, other) = said.split_at(cut);
            let mut lines = lines([one.to_vec(), other.to_vec()]);
            assert_eq!(expelled(&mut lines).await.unwrap(), "a", "{cut}");
            assert_eq!(expelled(&mut lines).await.unwrap(), "b", "{cut}");
            assert_eq!(expelled(&mut lines).await, None, "{cut}");
        }
    }

    #[tokio::test]
    async fn what_is_no_news_is_not_shown() {
        for line in [
            "{\"participants\":\"canary\"}\n",
            "{\"expelled\":{\"canary\":1}}\n",
            "{\"talking\":{\"track\":[\"canary\"]}}\n",
            "{\"muted\":{\"track\":\"a\",\"muted\":\"canary\"}}\n",
            "canary\n",
        ] {
            let why = lines([line.as_bytes().to_vec()]).next().await.unwrap_err();
            assert!(why.starts_with("a line is no news: "), "{why}");
            assert!(!why.contains("canary"), "{why}");
        }
    }

    #[tokio::test]
    async fn one_without_end_is_given_up() {
        let mut lines = lines((0..).map(|_| vec![b' '; 1 << 16]).take(32));
        assert_eq!(lines.next().await.unwrap_err(), "a line has no end");
    }

    /// If each moved all that came after it, this would take minutes.
    #[tokio::test]
    async fn nothing_but_line_ends_costs_no_more_than_its_length() {
        let mut lines = lines([vec![b'\n'; 1 << 24], b"{\"expelled\":\"a\"}\n".to_vec()]);
        assert_eq!(expelled(&mut lines).await.unwrap(), "a");
    }

    #[tokio::test]
    async fn what_is_told_is_passed_on_and_nonsense_is_not() {
        let (events, mut told) = mpsc::unbounded_channel();
        let follower = Follower {
            me: "ann".to_owned(),
            roster: Arc::default(),
            events,
        };
        let on = |text: &str| assert!(follower.on(serde_json::from_str(text).unwrap()));
        on(r#"{"data": {"digit": "five"}}"#);
        on(r#"{"data": {"digit": 5, "ms": -1}}"#);
        on(r#"{"data": "five"}"#);
        on(r#"{"data": {"from": "ben", "digit": "5", "ms": 100, "to": ["ann"]}}"#);
        on(r#"{"data": {"text": "hello", "topic": "chat"}}"#);
        on(r#"{"talking": {"track": "ben/0", "talking": true}}"#);
        on(r#"{"muted": {"track": "ben/0", "muted": true}}"#);
        drop(follower);
        let key = Data::key('5', Some(100)).to(ParticipantId("ann".to_owned()));
        let Some(SfuEvent::Data { from, data }) = told.recv().await else {
            panic!("the key is not told");
        };
        assert_eq!((from, data), (Some(ParticipantId("ben".to_owned())), key));
        let Some(SfuEvent::Data { from: None, data }) = told.recv().await else {
            panic!("the message is not told");
        };
        assert!(matches!(data.content, Content::Message { payload, .. } if payload == b"hello"));
        let talking = told.recv().await;
        assert!(
            matches!(&talking, Some(SfuEvent::Talking { track, talking: true }) if track.0 == "ben/0"),
            "{talking:?}"
        );
        let muted = told.recv().await;
        assert!(
            matches!(&muted, Some(SfuEvent::Muted { track, muted: true }) if track.0 == "ben/0"),
            "{muted:?}"
        );
        assert!(told.recv().await.is_none());
    }

    #[tokio::test]
    async fn who_is_expelled_at_once_hears_nothing_more() {
        let (events, mut told) = mpsc::unbounded_channel();
        let follower = Follower {
            me: "ann".to_owned(),
            roster: Arc::default(),
            events,
        };
        let first = serde_json::from_str("{\"expelled\":\"not you\"}").unwrap();
        follower.follow(first, None).await;
        assert!(matches!(told.recv().await, Some(SfuEvent::Expelled(why)) if why == "not you"));
        assert!(told.recv().await.is_none());
    }
}
