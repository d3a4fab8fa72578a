//! What a talker may send, and what of it falls out. No socket, no clock.

/// Sound of one talker that is taken in a second, in ms: what a stall of the network held up for a
/// second, beside what is due.
const MAX_TALK_MS_PER_SECOND: u32 = 2_000;

/// Talk frames that are taken in a second: as many of the shortest Opus packets, and some.
const MAX_TALK_FRAMES_PER_SECOND: u32 = 1_000;

/// Talk frames of a second that are only dropped. Who sends more has not been held up by anything.
const MAX_TALK_SURPLUS: u32 = 2_000;

/// Sound that was captured longer ago is of no use to anybody, in µs.
const MAX_TALK_AGE_US: u64 = 1_000_000;

/// How far a client's estimate of our clock may be ahead of it, in µs.
const MAX_TALK_AHEAD_US: u64 = 100_000;
