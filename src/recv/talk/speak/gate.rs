//! What of a microphone's sound goes out: utterances, each with what came just before it.
//!
//! Pure: chunks of 10 ms in, frames out. Nothing that was captured while nothing was let through
//! ever goes out.

use std::collections::VecDeque;

use super::super::voice_activity::VoiceActivity;
use crate::talking::Lets;
use crate::wire::{AudioHeader, FLAG_HELD, FLAG_LAST};

/// Chunks before the one in which a voice was heard that go out with it: words begin softly. They
/// come late to whoever hears, as far as the server has time for them.
pub(in crate::recv) const LOOK_BACK: usize = 5;

/// Cuts utterances out of chunks.
#[derive(Debug)]
pub(super) struct Gate {
    voice: VoiceActivity,
    is_open: bool,
    /// The newest that did not go out, oldest first.
    before: VecDeque<(AudioHeader, Vec<f32>)>,
}

impl Gate {
    /// Makes a gate for mono chunks of 10 ms at `rate_hz`.
    pub(super) fn new(rate_hz: u32) -> Self {
        let before = VecDeque::with_capacity(LOOK_BACK);
        Self { voice: VoiceActivity::new(rate_hz), is_open: false, before }
    }

    /// Whether an utterance goes on.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Takes the next chunk, which `may_be_voice` or is known to be none; what goes out is handed to `send`, each utterance faded in and out, its
    /// last frame marked.
    pub(super) fn take(
        &mut self,
        header: AudioHeader,
        samples: &[f32],
        (lets, may_be_voice): (Lets, bool),
        mut send: impl FnMut(AudioHeader, &[f32]),
    ) {
        // Always, so that the room's noise is known when it is wanted.
        let is_voice = self.voice.hear(samples) && may_be_voice;
        let goes_out = match lets {
            Lets::Nothing => false,
            Lets::Voice => is_voice,
            Lets::Everything => true,
        };
        let was_open = std::mem::replace(&mut self.is_open, goes_out);
        match (was_open, goes_out) {
            (true, true) => send(header, samples),
            (true, false) => {
                let faded = faded(samples, |share| 1.0 - share);
                send(AudioHeader { flags: header.flags | FLAG_LAST, ..header }, &faded);
            }
            (false, true) => {
                for (header, _) in &mut self.before {
                    header.flags |= FLAG_HELD;
                }
                self.before.push_back((header, samples.to_vec()));
                if let Some((_, first)) = self.before.front_mut() {
                    *first = faded(first, |share| share);
                }
                self.before.drain(..).for_each(|(header, samples)| send(header, &samples));
            }
            (false, false) if lets == Lets::Voice => {
                if self.before.len() == LOOK_BACK {
                    self.before.pop_front();
                }
                self.before.push_back((header, samples.to_vec()));
            }
            (false, false) => self.before.clear(),
        }
    }
}

/// Mono samples, each times what `gain` says of the share of them that lies before it.
fn faded(samples: &[f32], gain: impl Fn(f32) -> f32) -> Vec<f32> {
    let length = samples.len().max(1) as f32;
    samples.iter().enumerate().map(|(at, sample)| sample * gain(at as f32 / length)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;
    const CHUNK: usize = 480;

    struct Mouth {
        gate: Gate,
        next: u64,
    }

    impl Mouth {
        fn new() -> Self {
            Self { gate: Gate::new(RATE), next: 0 }
        }

        /// Chunks of one loudness, noisy enough for a voice; which went out, and the last ones of
        /// utterances among them.
        fn hear(&mut self, chunks: u64, loudness: f32, lets: Lets) -> (Vec<u64>, Vec<u64>) {
            let (mut sent, mut last) = (Vec::new(), Vec::new());
            for _ in 0..chunks {
                let number = self.next;
                self.next += 1;
                let header = AudioHeader {
                    flags: 0,
                    frames: CHUNK as u32,
                    position: number * CHUNK as u64,
                    captured_us: number * 10_000,
                };
                let tone = |at: usize| (at as f32 * 0.13).sin() * loudness;
                let samples: Vec<f32> = (0..CHUNK).map(tone).collect();
                self.gate.take(header, &samples, (lets, true), |header, samples| {
                    assert_eq!((samples.len(), header.frames), (CHUNK, CHUNK as u32));
                    let number = header.position / CHUNK as u64;
                    assert_eq!(header.captured_us, number * 10_000);
                    assert_eq!(header.flags & FLAG_HELD != 0, number + 1 < self.next);
                    sent.push(number);
                    if header.flags & FLAG_LAST != 0 {
                        last.push(number);
                    }
                });
            }
            (sent, last)
        }
    }

    #[test]
    fn a_voice_goes_out_with_what_came_before_it_and_an_end() {
        let mut mouth = Mouth::new();
        assert!(mouth.hear(200, 1e-3, Lets::Voice).0.is_empty());
        let (sent, last) = mouth.hear(30, 0.1, Lets::Voice);
        assert_eq!((sent[0], *sent.last().unwrap()), (200 - LOOK_BACK as u64, 229));
        assert_eq!(sent.len(), 30 + LOOK_BACK, "each once, in order");
        assert!(sent.is_sorted() && last.is_empty());
        let (sent, last) = mouth.hear(100, 1e-3, Lets::Voice);
        assert_eq!(last, sent[sent.len() - 1..], "the hangover's end is the utterance's");
        assert!((20..60).contains(&sent.len()), "{} chunks of hangover", sent.len());
    }

    #[test]
    fn what_is_said_while_muted_never_goes_out() {
        let mut mouth = Mouth::new();
        mouth.hear(100, 1e-3, Lets::Voice);
        assert!(mouth.hear(50, 0.1, Lets::Nothing).0.is_empty());
        let (sent, _) = mouth.hear(10, 0.1, Lets::Voice);
        assert_eq!(sent[0], 150, "not even as what came before");
        let (sent, last) = mouth.hear(10, 0.1, Lets::Nothing);
        assert_eq!((sent, last), (vec![160], vec![160]), "one frame, in which it fades");
    }

    #[test]
    fn what_is_known_to_be_no_voice_opens_nothing_and_goes_out_before_one() {
        let mut gate = Gate::new(RATE);
        let header = AudioHeader { flags: 0, frames: CHUNK as u32, position: 0, captured_us: 0 };
        let chunk = |at: usize| -> Vec<f32> {
            let loudness = if at < 100 { 1e-3 } else { 0.1 };
            (0..CHUNK).map(|at| (at as f32 * 0.13).sin() * loudness).collect()
        };
        let mut sent = Vec::new();
        for at in 0..130 {
            let lets = (Lets::Voice, at >= 120);
            gate.take(header, &chunk(at), lets, |_, _| sent.push(at));
        }
        assert_eq!((sent[0], sent.len()), (120, 10 + LOOK_BACK));
    }

    #[test]
    fn a_held_key_sends_every_chunk_and_nothing_before_or_after() {
        let mut mouth = Mouth::new();
        mouth.hear(100, 1e-3, Lets::Nothing);
        let (sent, last) = mouth.hear(5, 0.0, Lets::Everything);
        assert_eq!((sent, last), ((100..105).collect(), vec![]));
        assert_eq!(mouth.hear(5, 0.0, Lets::Nothing), (vec![105], vec![105]));
    }

    #[test]
    fn an_utterance_begins_and_ends_without_a_click() {
        let mut gate = Gate::new(RATE);
        let header = AudioHeader { flags: 0, frames: CHUNK as u32, position: 0, captured_us: 0 };
        let mut sent = Vec::new();
        for lets in [Lets::Everything, Lets::Everything, Lets::Nothing] {
            gate.take(header, &[0.5; CHUNK], (lets, true), |_, samples| {
                sent.extend_from_slice(samples)
            });
        }
        let steps = sent.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        assert!(sent[0] == 0.0 && *sent.last().unwrap() < 0.002);
        assert!(steps.fold(0.0, f32::max) < 0.002);
    }
}
