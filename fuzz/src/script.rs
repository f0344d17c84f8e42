// SPDX-License-Identifier: MPL-2.0
//! Inputs of several steps: `%%`, a letter that says what to do, a line end, and what to do it with.

pub(crate) const MARK: &[u8] = b"%%";

/// The steps of an input. Whatever stands before the first is none.
pub(crate) fn steps(input: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let starts = starts(input);
    let ends = starts.clone().into_iter().skip(1).chain([input.len()]);
    starts.into_iter().zip(ends).filter_map(|(start, end)| {
        let (letter, rest) = input.get(start + MARK.len()..end)?.split_first()?;
        Some((*letter, rest.strip_prefix(b"\n").unwrap_or(rest)))
    })
}

/// Where steps begin.
pub(crate) fn starts(input: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut from = 0;
    while let Some(at) = find(&input[from..], MARK) {
        starts.push(from + at);
        from += at + MARK.len();
    }
    starts
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|part| part == wanted)
}

/// One step as it is written.
pub(crate) fn step(letter: char, with: impl AsRef<[u8]>) -> Vec<u8> {
    let mut step = MARK.to_vec();
    step.push(letter as u8);
    step.push(b'\n');
    step.extend_from_slice(with.as_ref());
    step
}

/// The number that a step begins with; 0 if it begins with none.
pub(crate) fn number(with: &[u8]) -> u64 {
    let digits = with.iter().take_while(|b| b.is_ascii_digit()).take(9);
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}
