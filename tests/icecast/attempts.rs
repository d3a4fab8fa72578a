//! Promises about sound, on a machine that may be too busy for its sound.

/// Calls `attempt` until nothing is wrong, three times at most: a machine that is busy elsewhere may spoil one, a
/// program that breaks its promise spoils all.
#[track_caller]
pub(crate) fn thrice(mut attempt: impl FnMut() -> Result<(), String>) {
    const ATTEMPTS: usize = 3;
    let mut wrong = Vec::new();
    while wrong.len() < ATTEMPTS {
        match attempt() {
            Ok(()) => return,
            Err(why) => wrong.push(why),
        }
    }
    panic!("wrong each time: {wrong:#?}");
}
