// SPDX-License-Identifier: MPL-2.0
//! Several stories at the same time.

use anyhow::Result;

/// Tells the story of each of them, all at the same time, and returns what came of it in their order.
pub fn together<Who: Sync, Told: Send>(
    them: &[Who],
    story: impl Fn(&Who) -> Result<Told> + Sync,
) -> Result<Vec<Told>> {
    std::thread::scope(|threads| {
        let story = &story;
        let stories: Vec<_> = them
            .iter()
            .map(|who| threads.spawn(move || story(who)))
            .collect();
        stories
            .into_iter()
            .map(|story| {
                story
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}
