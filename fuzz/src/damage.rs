// SPDX-License-Identifier: MPL-2.0
//! How inputs are spoiled.

use rand::RngExt as _;
use rand::rngs::SmallRng;

use crate::script;

/// Longer inputs are cut: longer than a datagram can be.
const LONGEST: usize = 80_000;

/// Octets that mean something to many a grammar.
const TELLING: &[u8] = b"\r\n\t \0\"<>;,:@?=/%[]*\\#{}+-.'\x7f\x80\xff01";

/// Numbers at which readers stumble.
const NUMBERS: [&str; 16] = [
    "0",
    "-1",
    "1",
    "00",
    "127",
    "128",
    "255",
    "256",
    "65535",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "18446744073709551616",
    "99999999999999999999999999",
    "1e9",
];

/// Spoils an input in one to a few places. `other` is one to take pieces of.
pub(crate) fn damage(input: &mut Vec<u8>, other: &[u8], words: &[&str], random: &mut SmallRng) {
    let times = match random.random_range(0..4) {
        0 => random.random_range(1..12),
        _ => random.random_range(1..4),
    };
    for _ in 0..times {
        damage_once(input, other, words, random);
    }
    input.truncate(LONGEST);
}

fn damage_once(input: &mut Vec<u8>, other: &[u8], words: &[&str], random: &mut SmallRng) {
    let at = below(random, input.len() + 1);
    match random.random_range(0..15) {
        0 if at < input.len() => input[at] = random.random(),
        1 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
        2 => input.insert(at, TELLING[below(random, TELLING.len())]),
        3 if at < input.len() => {
            input.remove(at);
        }
        4 => input.truncate(at),
        5 => {
            let piece = piece(input, 60, random).to_vec();
            input.splice(at..at, piece);
        }
        6 => {
            let piece = piece(other, 200, random);
            input.splice(at..at, piece.iter().copied());
        }
        7 => {
            let end = (at + below(random, 40)).min(input.len());
            input.drain(at..end);
        }
        8 if !words.is_empty() => {
            let word = words[below(random, words.len())];
            input.splice(at..at, word.bytes());
        }
        9 => change_number(input, at, random),
        10 => move_line(input, random),
        11 => {
            // The same over and over: what is harmless once may be dear.
            let piece = piece(input, 30, random).to_vec();
            let times = random.random_range(2..400);
            input.splice(at..at, piece.repeat(times));
        }
        12 => {
            // A length or a count that cannot be.
            let value = [0, 0xff, 0x7f, 0x80][below(random, 4)];
            input[at..]
                .iter_mut()
                .take(2)
                .for_each(|octet| *octet = value);
        }
        _ => move_step(input, other, random),
    }
}

fn below(random: &mut SmallRng, limit: usize) -> usize {
    random.random_range(0..limit.max(1))
}

fn piece<'a>(text: &'a [u8], longest: usize, random: &mut SmallRng) -> &'a [u8] {
    let from = below(random, text.len());
    let end = (from + below(random, longest)).min(text.len());
    &text[from..end]
}

/// The first number behind a place becomes another.
fn change_number(input: &mut Vec<u8>, from: usize, random: &mut SmallRng) {
    let behind = &input[from..];
    let Some(begin) = behind.iter().position(u8::is_ascii_digit) else {
        return;
    };
    let digits = behind[begin..].iter().take_while(|b| b.is_ascii_digit());
    let begin = from + begin;
    let end = begin + digits.count();
    let number = NUMBERS[below(random, NUMBERS.len())];
    input.splice(begin..end, number.bytes());
}

/// A line is left out, doubled, or put elsewhere.
fn move_line(input: &mut Vec<u8>, random: &mut SmallRng) {
    let mut lines: Vec<&[u8]> = input.split_inclusive(|octet| *octet == b'\n').collect();
    if lines.is_empty() {
        return;
    }
    let line = lines[below(random, lines.len())];
    let at = below(random, lines.len());
    match random.random_range(0..3) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, line),
        _ => lines[at] = line,
    }
    *input = lines.concat();
}

/// As [`move_line`] with whole steps, or one of another input's.
fn move_step(input: &mut Vec<u8>, other: &[u8], random: &mut SmallRng) {
    let mut pieces = cut(input);
    let others = cut(other);
    let at = below(random, pieces.len());
    let from = below(random, pieces.len());
    match random.random_range(0..4) {
        0 => drop(pieces.remove(at)),
        1 => pieces.insert(at, pieces[from]),
        2 => pieces.swap(at, from),
        _ => pieces.insert(at, others[below(random, others.len())]),
    }
    *input = pieces.concat();
}

/// An input in its steps; the first piece is what stands before them.
fn cut(input: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut from = 0;
    for start in script::starts(input) {
        pieces.push(&input[from..start]);
        from = start;
    }
    pieces.push(&input[from..]);
    pieces
}
