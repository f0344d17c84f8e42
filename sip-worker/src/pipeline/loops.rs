// SPDX-License-Identifier: MPL-2.0
//! Elements of a launch text that lead back to themselves.
//!
//! When pads are linked they ask what is before and behind them which formats it takes. In a loop of
//! elements that hand such questions on, GStreamer asks until the stack overflows, which ends the process:
//! so a loop has to be found before the text is parsed, in the text itself. Of the grammar (the manual page
//! of gst-launch-1.0) that needs elements, names, links and bins; whether the rest is right is the parser's
//! affair.

use std::collections::HashMap;

/// What enters these does not come out of them: they end questions about formats.
const ENDS: &[&str] = &[
    "sipbin",
    "sipsrc",
    "sipsink",
    "sipmixer",
    "rtcbin",
    "sdpbridgebin",
    "webrtcbin",
    "rtpbin",
    "appsrc",
    "appsink",
];

/// The names of the elements of a loop in the order in which they are linked; `leads_on` says of a factory
/// whether what enters its elements comes out of them.
pub(super) fn find(text: &str, leads_on: impl Fn(&str) -> bool) -> Option<Vec<String>> {
    let mut reader = Reader::default();
    for word in words(text) {
        reader.word(&word);
    }
    let graph = reader.graph;
    let passes: Vec<bool> = graph
        .elements
        .iter()
        .map(|element| !ENDS.contains(&element.factory.as_str()) && leads_on(&element.factory))
        .collect();
    let links = graph.resolved();
    let behind = |at: usize| {
        let of_this = links.iter().filter(move |(from, _)| *from == at);
        of_this.map(|(_, to)| *to).filter(|to| passes[*to])
    };
    // Whom a walk has been at, and in which order it came to where it is.
    let mut seen = vec![false; passes.len()];
    for start in (0..passes.len()).filter(|at| passes[*at]) {
        let mut walk: Vec<(usize, Vec<usize>)> = Vec::new();
        if !seen[start] {
            walk.push((start, behind(start).collect()));
        }
        while let Some((at, left)) = walk.last_mut() {
            seen[*at] = true;
            let Some(next) = left.pop() else {
                walk.pop();
                continue;
            };
            if let Some(from) = walk.iter().position(|(at, _)| *at == next) {
                let found = walk[from..]
                    .iter()
                    .map(|(at, _)| graph.elements[*at].called());
                return Some(found.collect());
            }
            if !seen[next] {
                walk.push((next, behind(next).collect()));
            }
        }
    }
    None
}

#[derive(Debug)]
struct Element {
    factory: String,
    name: Option<String>,
}

impl Element {
    fn called(&self) -> String {
        self.name.as_ref().unwrap_or(&self.factory).clone()
    }
}

/// What a link begins or ends at.
#[derive(Debug, Clone)]
enum End {
    Element(usize),
    Named(String),
}

#[derive(Debug, Default)]
struct Graph {
    elements: Vec<Element>,
    links: Vec<(End, End)>,
    /// The elements of the bins that have names.
    bins: HashMap<String, Vec<usize>>,
}

impl Graph {
    /// The links between elements. A name of nothing links nothing; the parser will say so.
    fn resolved(&self) -> Vec<(usize, usize)> {
        let between = |from: &End, to: &End| -> Vec<(usize, usize)> {
            let (from, to) = (self.meant(from), self.meant(to));
            from.iter()
                .flat_map(|from| to.iter().map(move |to| (*from, *to)))
                .collect()
        };
        let within: Vec<(usize, usize)> = self
            .links
            .iter()
            .filter(|(from, to)| !self.is_bin(from) && !self.is_bin(to))
            .flat_map(|(from, to)| between(from, to))
            .collect();
        let mut all = within.clone();
        for (from, to) in &self.links {
            let (ends, begins) = (self.is_bin(from), self.is_bin(to));
            // A bin is entered where nothing in it leads to, and left where nothing leads on from.
            let links = between(from, to).into_iter();
            all.extend(links.filter(|(from, to)| {
                (ends || begins)
                    && !(ends && within.iter().any(|(at, _)| at == from))
                    && !(begins && within.iter().any(|(_, at)| at == to))
            }));
        }
        all
    }

    fn is_bin(&self, end: &End) -> bool {
        matches!(end, End::Named(name) if self.bins.contains_key(name))
    }

    fn meant(&self, end: &End) -> Vec<usize> {
        match end {
            End::Element(at) => vec![*at],
            End::Named(name) => match self.bins.get(name) {
                Some(elements) => elements.clone(),
                None => {
                    let has_it = |element: &Element| element.name.as_ref() == Some(name);
                    self.elements.iter().position(has_it).into_iter().collect()
                }
            },
        }
    }
}

/// A bin that is open: where its elements begin, and its name.
#[derive(Debug)]
struct Open {
    from: usize,
    name: Option<String>,
}

#[derive(Debug, Default)]
struct Reader {
    graph: Graph,
    /// What the next link begins at.
    last: Option<End>,
    /// What the link that was begun begins at.
    linking: Option<End>,
    /// Whether caps are being read, which a link may hold.
    in_caps: bool,
    open: Vec<Open>,
}

impl Reader {
    fn word(&mut self, word: &str) {
        match word {
            "!" => {
                self.in_caps = false;
                // After caps it is the same link that goes on.
                if let Some(last) = self.last.take() {
                    self.linking = Some(last);
                }
            }
            _ if self.in_caps => {}
            "(" => self.open.push(Open {
                from: self.graph.elements.len(),
                name: None,
            }),
            ")" => {
                if let Some(Open {
                    from,
                    name: Some(name),
                }) = self.open.pop()
                {
                    let inside = (from..self.graph.elements.len()).collect();
                    self.graph.bins.insert(name, inside);
                }
            }
            _ => self.other(word),
        }
    }

    fn other(&mut self, word: &str) {
        if is_property(word) {
            if let Some(name) = word.strip_prefix("name=") {
                self.named(name.trim_matches('"'));
            }
        } else if word.contains('/') {
            self.in_caps = true;
        } else if let Some((name, _pads)) = word.split_once('.') {
            // Without a name it is the element before, or `bin.(`.
            if !name.is_empty() && name != "bin" {
                self.comes(End::Named(name.to_owned()));
            }
        } else {
            self.graph.elements.push(Element {
                factory: word.to_owned(),
                name: None,
            });
            self.comes(End::Element(self.graph.elements.len() - 1));
        }
    }

    fn comes(&mut self, end: End) {
        if let Some(from) = self.linking.take() {
            self.graph.links.push((from, end.clone()));
        }
        self.last = Some(end);
    }

    /// `name=`: of the element before, or of the bin in which none has come yet.
    fn named(&mut self, name: &str) {
        let count = self.graph.elements.len();
        match self.open.last_mut() {
            Some(open) if open.from == count => open.name = Some(name.to_owned()),
            _ => {
                if let Some(element) = self.graph.elements.last_mut() {
                    element.name = Some(name.to_owned());
                }
            }
        }
    }
}

/// A property and its value, and no caps.
fn is_property(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(key, _)| !key.contains(['/', '.', ',']))
}

/// The words of a text: what blanks are between, outside quotes. Links and parentheses are words of their
/// own wherever they stand, but for values.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    let mut characters = text.chars();
    let end = |word: &mut String, words: &mut Vec<String>| {
        if !word.is_empty() {
            words.push(std::mem::take(word));
        }
    };
    while let Some(c) = characters.next() {
        match c {
            '\\' => word.extend(characters.next()),
            '"' => {
                quoted = !quoted;
                word.push(c);
                // What follows a quoted value is no part of it.
                if !quoted && is_property(&word) {
                    end(&mut word, &mut words);
                }
            }
            _ if quoted => word.push(c),
            // Blanks may stand around the sign.
            _ if c.is_whitespace() && word.ends_with('=') => {}
            _ if c.is_whitespace() => end(&mut word, &mut words),
            '=' if word.is_empty() => {
                let key = words.pop_if(|last| !matches!(last.as_str(), "!" | "(" | ")"));
                word = key.unwrap_or_default();
                word.push(c);
            }
            '!' | '(' | ')' if !is_property(&word) => {
                end(&mut word, &mut words);
                words.push(c.to_string());
            }
            _ => word.push(c),
        }
    }
    end(&mut word, &mut words);
    words
}
