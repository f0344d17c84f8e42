// SPDX-License-Identifier: MPL-2.0
//! A flow as sipp sees it, a line a message, made into sipp's own XML.
//!
//! ```text
//! > INVITE sdp          sipp sends it, with a description
//! < 100 ?               may come, or not
//! < 200 m=audio         has to come, and this has to stand in it
//! > ACK
//! > REFER | Refer-To: <sip:carol@example.org>
//! pause 100             milliseconds
//! waits                 until it is told to go on
//! hangs up              what is said again and again has a name: see `PHRASES`
//! ```
//!
//! Whoever sends the first request is the caller. `sdp` is a description, `sendonly`, `recvonly` and
//! `inactive` are ones of that direction, `moved` and `elsewhere` ones with another port or address;
//! `frag:200` is what a NOTIFY tells of a transfer. `INVITE @2` begins a second dialog, which all that
//! sipp sends from then on belongs to. `[$remote_tag]` is the tag of the first answer. A number that is
//! sent answers the last request, and with `INVITE` the first one, as after a CANCEL or when it waited;
//! `tag:desk` is of a telephone of that name, where several ring. Headers of a phrase are those of what it
//! sends first. Who waits says so in its log, and goes on with an INFO of its Call-ID, whoever sends it.

use std::fmt::Write as _;

/// What flows have in common.
const PHRASES: [(&str, &[&str]); 8] = [
    (
        "calls",
        &["> INVITE sdp", "< 100 ?", "< 180", "< 200 m=audio", "> ACK"],
    ),
    (
        "is called",
        &["< INVITE m=audio", "> 180", "> 200 sdp", "< ACK"],
    ),
    (
        "holds",
        &["> INVITE sendonly", "< 100 ?", "< 200 a=recvonly", "> ACK"],
    ),
    (
        "takes back",
        &["> INVITE sdp", "< 100 ?", "< 200 a=sendrecv", "> ACK"],
    ),
    (
        "is held",
        &["< INVITE a=sendonly", "> 200 recvonly", "< ACK"],
    ),
    (
        "is taken back",
        &["< INVITE a=sendrecv", "> 200 sdp", "< ACK"],
    ),
    ("hangs up", &["> BYE", "< 200"]),
    ("is hung up", &["< BYE", "> 200"]),
];

/// sipp's XML for these lines.
pub fn xml(lines: &str) -> String {
    let mut writer = Writer::default();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        writer.line(line);
    }
    // sipp wants each variable to be named twice, and none to be named that is not there.
    let used = match writer.variables.is_empty() {
        true => String::new(),
        false => format!(
            "<Reference variables=\"{}\"/>\n",
            writer.variables.join(",")
        ),
    };
    let head = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\" ?>\n<scenario name=\"flow\">";
    format!("{head}\n{}{used}</scenario>\n", writer.xml)
}

#[derive(Default)]
struct Writer {
    xml: String,
    /// How many messages there were.
    messages: usize,
    /// The CSeq that sipp sent last.
    cseq: u32,
    /// Of the INVITE that sipp sent last: its CSeq, and which message it was.
    invite: (u32, usize),
    /// sipp received the first request: it is the one who is called.
    called: bool,
    /// Where what belongs to that request begins. An INVITE that was refused is followed by another first one.
    first_at: usize,
    /// An ACK that is sent answers a refusal.
    refused: bool,
    /// sipp wants to be called again, with a password.
    turned_away: bool,
    /// The second dialog is meant.
    second: bool,
    variables: Vec<&'static str>,
}

const OURS: &str = "sip:[service]@[remote_ip]:[remote_port]";
const REGISTRAR: &str = "sip:[remote_ip]:[remote_port]";
const SIPP: &str = "<sip:sipp@[local_ip]:[local_port]>";

impl Writer {
    fn line(&mut self, line: &str) {
        let (what, headers) = match line.split_once(" | ") {
            Some((what, headers)) => (what, headers.split(" | ").collect()),
            None => (line, Vec::new()),
        };
        match PHRASES.iter().find(|(phrase, _)| *phrase == what) {
            Some((_, steps)) => {
                let sends = steps.iter().position(|step| step.starts_with('>'));
                for (at, step) in steps.iter().enumerate() {
                    match sends == Some(at) {
                        true => self.step(step, &headers),
                        false => self.step(step, &[]),
                    }
                }
            }
            None => self.step(what, &headers),
        }
    }

    fn step(&mut self, what: &str, headers: &[&str]) {
        let mut words = what.split(' ');
        let (way, name) = (words.next(), words.next().unwrap_or_default());
        let words: Vec<&str> = words.collect();
        let number = name.parse::<u16>().ok();
        match (way, number) {
            (Some("pause"), _) => {
                let _ = writeln!(self.xml, "<pause milliseconds=\"{name}\"/>");
            }
            (Some("waits"), _) => {
                self.xml
                    .push_str("<nop>\n<action>\n<log message=\"waits\"/>\n</action>\n</nop>\n");
                self.xml.push_str("<recv request=\"INFO\"/>\n");
                self.messages += 1;
            }
            (Some("<"), Some(status)) => self.receives_response(status, &words),
            (Some("<"), None) => self.receives_request(name, &words),
            (Some(">"), Some(status)) => self.sends_response(status, &words, headers),
            (Some(">"), None) => self.sends_request(name, &words, headers),
            _ => panic!("no step of a flow: {what}"),
        }
        self.messages += 1;
    }

    fn variable(&mut self, name: &'static str) {
        if !self.variables.contains(&name) {
            self.variables.push(name);
        }
    }

    /// What has to stand in a message, and what is kept of it.
    fn checks(&mut self, wanted: &[&str], kept: &str) -> String {
        let mut checks = String::new();
        for wanted in wanted {
            self.variable("found");
            let wanted = escaped(wanted);
            let _ = writeln!(
                checks,
                "<ereg regexp=\"{wanted}\" search_in=\"msg\" check_it=\"true\" assign_to=\"found\"/>"
            );
        }
        checks + kept
    }

    fn receives_response(&mut self, status: u16, words: &[&str]) {
        let optional = words.contains(&"?");
        let wanted: Vec<&str> = words.iter().filter(|word| **word != "?").copied().collect();
        let mut kept = "";
        if !self.variables.contains(&"remote_tag") && (200..300).contains(&status) {
            self.variable("whole");
            self.variable("remote_tag");
            kept = "<ereg regexp=\"tag=([^;]*)\" search_in=\"hdr\" header=\"To:\" assign_to=\"whole,remote_tag\"/>\n";
        }
        self.refused = status >= 300;
        let checks = self.checks(&wanted, kept);
        let _ = writeln!(
            self.xml,
            "<recv response=\"{status}\" optional=\"{optional}\" rrs=\"true\" auth=\"{auth}\">\n<action>\n{checks}</action>\n</recv>",
            auth = status == 401
        );
    }

    fn receives_request(&mut self, method: &str, wanted: &[&str]) {
        let mut kept = "";
        if self.messages == 0 || (method == "INVITE" && self.turned_away) {
            (self.called, self.turned_away) = (true, false);
            self.first_at = self.xml.len();
            self.variable("from");
            self.variable("to");
            self.variable("via");
            self.variable("number");
            kept = "<ereg regexp=\".*\" search_in=\"hdr\" header=\"From:\" assign_to=\"from\"/>\n\
                    <ereg regexp=\".*\" search_in=\"hdr\" header=\"To:\" assign_to=\"to\"/>\n\
                    <ereg regexp=\".*\" search_in=\"hdr\" header=\"Via:\" assign_to=\"via\"/>\n\
                    <ereg regexp=\"[0-9]+\" search_in=\"hdr\" header=\"CSeq:\" assign_to=\"number\"/>\n";
        }
        let checks = self.checks(wanted, kept);
        let _ = writeln!(
            self.xml,
            "<recv request=\"{method}\" rrs=\"true\">\n<action>\n{checks}</action>\n</recv>"
        );
    }

    fn sends_response(&mut self, status: u16, words: &[&str], headers: &[&str]) {
        // Answers to the INVITE that began it all carry our tag; all that comes later has it already.
        let first = self.called && (words.contains(&"INVITE") || self.is_first_answer());
        let telephone = words.iter().find_map(|word| word.strip_prefix("tag:"));
        let to = match (first, telephone) {
            (true, Some(telephone)) => format!("To:[$to];tag={telephone}"),
            (true, None) => "To:[$to];tag=[call_number]s".to_owned(),
            (false, _) => "[last_To:]".to_owned(),
        };
        let (via, from, cseq) = match words.contains(&"INVITE") {
            true => ("Via:[$via]", "From:[$from]", "CSeq: [$number] INVITE"),
            false => ("[last_Via:]", "[last_From:]", "[last_CSeq:]"),
        };
        self.turned_away |= status == 407;
        let contact = contact(headers);
        let head = format!(
            "SIP/2.0 {status} Said\n{via}\n{from}\n{to}\n[last_Call-ID:]\n{cseq}\n{contact}"
        );
        self.send(head, words, headers);
    }

    /// Nothing but answers was sent since the first request came.
    fn is_first_answer(&self) -> bool {
        let since = &self.xml[self.first_at..];
        self.cseq == 0
            && !since.contains("<recv request=\"ACK\"")
            && !since.contains("<recv request=\"CANCEL\"")
    }

    fn sends_request(&mut self, method: &str, words: &[&str], headers: &[&str]) {
        let mut via = "[branch]".to_owned();
        let back = |to: usize| format!("[branch-{}]", self.messages - to);
        let mut uri = if self.invite.0 > 0 || self.called {
            "[next_url]"
        } else {
            OURS
        };
        match method {
            "ACK" if self.refused => (via, uri) = (back(self.invite.1), OURS),
            "CANCEL" => (via, uri) = (back(self.invite.1), OURS),
            "ACK" => {}
            "REGISTER" => (self.cseq, uri) = (self.cseq + 1, REGISTRAR),
            "INVITE" => {
                self.cseq += 1;
                self.invite = (self.cseq, self.messages);
            }
            _ => self.cseq += 1,
        }
        if words.contains(&"@2") {
            (self.second, uri) = (true, OURS);
        }
        let number = match method {
            "ACK" | "CANCEL" => self.invite.0,
            _ => self.cseq,
        };
        let begins = method == "CANCEL"
            || words.contains(&"@2")
            || (method == "INVITE" && number == 1 && !self.called);
        let theirs = if begins { "" } else { "[peer_tag_param]" };
        let (from, to) = match self.called {
            true => (
                "From:[$to];tag=[call_number]s".to_owned(),
                "To:[$from]".to_owned(),
            ),
            false if method == "REGISTER" => {
                let who = "<sip:[service]@[remote_ip]>";
                (
                    format!("From: {who};tag=[call_number]s"),
                    format!("To: {who}"),
                )
            }
            false => (
                format!("From: {SIPP};tag=[call_number]s"),
                format!("To: <{OURS}>{theirs}"),
            ),
        };
        let contact = match method {
            "REGISTER" | "ACK" | "CANCEL" | "BYE" => String::new(),
            _ => contact(headers),
        };
        let dialog = if self.second { "2///" } else { "" };
        let head = format!(
            "{method} {uri} SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];branch={via}\n\
             Max-Forwards: 70\n{from}\n{to}\nCall-ID: {dialog}[call_id]\nCSeq: {number} {method}\n{contact}"
        );
        self.send(head, words, headers);
    }

    fn send(&mut self, mut head: String, words: &[&str], headers: &[&str]) {
        for header in headers {
            head.push_str(header);
            head.push('\n');
        }
        let (content_type, body) = words.iter().find_map(|word| body(word)).unzip();
        if let Some(content_type) = content_type {
            let _ = writeln!(head, "Content-Type: {content_type}");
        }
        head.push_str("Content-Length: [len]\n\n");
        head.push_str(&body.unwrap_or_default());
        let _ = writeln!(self.xml, "<send><![CDATA[\n{head}\n]]></send>");
    }
}

/// sipp's own address, unless they say another: a registrar says who is bound, one who sends a call on
/// says where, and whoever mixes is reached by another.
fn contact(headers: &[&str]) -> String {
    let named =
        |header: &&str| header.starts_with("[last_Contact") || header.starts_with("Contact:");
    match headers.iter().any(named) {
        true => String::new(),
        false => format!("Contact: {SIPP}\n"),
    }
}

/// The body that a word stands for, and its type.
fn body(word: &str) -> Option<(&'static str, String)> {
    let (direction, port, host) = match word {
        "sdp" => ("sendrecv", 6000, "[local_ip]"),
        "moved" => ("sendrecv", 6100, "[local_ip]"),
        "elsewhere" => ("sendrecv", 6000, "192.0.2.77"),
        "sendonly" | "recvonly" | "inactive" => (word, 6000, "[local_ip]"),
        _ => {
            let status = word.strip_prefix("frag:")?;
            return Some(("message/sipfrag", format!("SIP/2.0 {status} Said\n")));
        }
    };
    let text = format!(
        "v=0\no=sipp 1 1 IN IP4 [local_ip]\ns=-\nc=IN IP4 {host}\nt=0 0\nm=audio {port} RTP/AVP 0\n\
         a=rtpmap:0 PCMU/8000\na={direction}\n"
    );
    Some(("application/sdp", text))
}

/// As it stands in an attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
