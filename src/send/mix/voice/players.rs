//! Players, with which voices are played.
//!
//! A player's filter takes a millisecond or two to make, on the thread that everybody's sound comes
//! from. So it is made once for each voice, few are made at a time, and the players of voices that
//! have gone serve the next.

use super::{HOLDS_MS, USUAL_LAG_MS};
use crate::allowance::Allowance;
use crate::clock::Timeline;
use crate::error::Result;
use crate::format::Format;
use crate::playout::Playout;

/// Players that may be made at once, and in every second after that: a room in which everybody
/// begins to speak, and less than a hundredth of a core for who comes and goes without end.
const AT_ONCE: u64 = 16;
const PER_SECOND: u64 = 4;

/// Players that are kept for voices to come: each holds up to half a megabyte.
const KEPT: usize = 4;

/// The players of one mix.
#[derive(Debug)]
pub struct Players {
    mix: Format,
    kept: Vec<(Format, Playout)>,
    allowance: Allowance,
}

impl Players {
    /// Players whose card is a mix in `mix` format. Both clocks are the server's.
    #[must_use]
    pub fn new(mix: Format) -> Self {
        Self { mix, kept: Vec::new(), allowance: Allowance::new(AT_ONCE, PER_SECOND) }
    }

    /// A player of sound in `talk` format on `timeline`; `None` where as many have been made of late
    /// as may be.
    ///
    /// # Errors
    /// If the sound's rate cannot be brought to the mix's.
    pub(super) fn take(
        &mut self,
        talk: Format,
        timeline: Timeline,
        now_us: u64,
    ) -> Result<Option<Playout>> {
        if let Some(at) = self.kept.iter().position(|(format, _)| *format == talk) {
            let (_, mut playout) = self.kept.swap_remove(at);
            playout.begin_anew(timeline);
            return Ok(Some(playout));
        }
        if !self.allowance.takes(now_us) {
            return Ok(None);
        }
        let mut playout = Playout::new(talk, self.mix, 1, USUAL_LAG_MS, timeline)?;
        playout.make_room_for(HOLDS_MS);
        Ok(Some(playout))
    }

    /// Keeps the player of a voice that has gone.
    pub(super) fn keep(&mut self, talk: Format, playout: Playout) {
        if self.kept.len() == KEPT {
            self.kept.remove(0);
        }
        self.kept.push((talk, playout));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Offset;

    const MIX: Format = Format { sample_rate: 48_000, channels: 2 };

    fn take(players: &mut Players, rate: u32, now_us: u64) -> Option<Playout> {
        let talk = Format { sample_rate: rate, channels: 1 };
        let timeline = Timeline::new(rate, 0, now_us, Offset::NONE, 0.0);
        players.take(talk, timeline, now_us).unwrap()
    }

    #[test]
    fn who_comes_and_goes_without_end_has_few_players_made() {
        let mut players = Players::new(MIX);
        let made = |players: &mut Players, from: u64, rate: fn(u64) -> u32| {
            let joins = (0..1_000).filter_map(|n| {
                let rate = rate(n);
                let playout = take(players, rate, (from + n) * 1_000)?;
                players.keep(Format { sample_rate: rate, channels: 1 }, playout);
                Some(())
            });
            joins.count()
        };
        assert_eq!(made(&mut players, 5_000, |n| 8_000 + n as u32), 19);
        assert!(players.kept.len() <= KEPT);
        assert_eq!(made(&mut players, 6_000, |_| 8_999), 1_000, "the same one, again and again");
    }

    #[test]
    fn a_room_in_which_everybody_begins_at_once_is_served_at_once() {
        let mut players = Players::new(MIX);
        let all: Vec<_> = (0..16).map(|_| take(&mut players, 48_000, 1_000)).collect();
        assert!(all.iter().all(Option::is_some));
        assert!(take(&mut players, 48_000, 1_000).is_none());
    }
}
