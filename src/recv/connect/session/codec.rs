//! A session's codec, which follows the path where the choice is left to us.

use log::{debug, info, warn};

use super::Session;
use crate::codec::{AUTO, Codec, opus};
use crate::recv::air::Finding;
use crate::recv::fit::{Fit, Why};
use crate::wire::{Path, Switch, Welcome, kind};

/// A server that has not begun with another codec this long after it was asked, in µs, does not let us
/// choose: a second of delay and as much of a bad network are long over.
const ANSWERS_WITHIN_US: u64 = 5_000_000;

impl Session<'_> {
    /// Sound begins, as a welcome says. What is known of the path outlives connections.
    pub(super) fn begin_to_fit(&mut self, welcome: &Welcome) {
        self.asked_us = None;
        // A file that keeps its codec over connections may follow too: no step changes the rate.
        let is_ours_to_choose =
            self.connect.hello.codecs.first().is_some_and(|first| first == AUTO)
                && welcome.accepts.contains_key(&kind::PATH.to_string());
        let codec = Codec::parse(&welcome.codec).filter(|_| is_ours_to_choose);
        let Some(codec) = codec else {
            self.clocks.fit = None;
            return;
        };
        let goes_on = |fit: &Fit| fit.codec().name() == codec.name();
        if self.clocks.fit.as_ref().is_none_or(|fit| !goes_on(fit)) {
            let format = welcome.format;
            let samples_per_second = f64::from(format.sample_rate) * f64::from(format.channels);
            let delay_us = u64::from(welcome.playout_delay_ms) * 1_000;
            let may_be_opus = welcome.position_rate == opus::RATE;
            self.clocks.fit = Some(Fit::new(codec, samples_per_second, delay_us, may_be_opus));
        }
    }

    /// Asks for another codec where the path carries less, or more again.
    pub(super) fn fit_codec(&mut self, now_us: u64) {
        let (Some(sounds), Some(fit)) = (&self.sounds, &mut self.clocks.fit) else {
            return;
        };
        let Some(half) = self.following.half(sounds.repair.counts(), now_us) else {
            return;
        };
        if sounds.codec() == fit.codec() {
            self.asked_us = None;
        }
        if let Some(asked_us) = self.asked_us {
            if now_us.saturating_sub(asked_us) > ANSWERS_WITHIN_US {
                debug!("the server keeps to its codec");
                self.clocks.fit = None;
            }
            return;
        }
        let Some(step) = fit.look(now_us, half) else { return };
        let codec = Some(step.to.to_string());
        self.line.say(Path { datagrams: None, from: None, codec }.frame());
        self.asked_us = Some(now_us);
        let mut air = self.connect.seen.air();
        match step.why {
            Why::TooMuch => {
                air.relieved(now_us);
                if step.is_news {
                    let slow = Finding::Slow { first: step.from, now: step.to };
                    warn!("{}", air.sentence(slow));
                }
            }
            Why::InVain | Why::Good if step.is_news => info!("{step}"),
            Why::InVain | Why::Good => {}
        }
    }

    /// The server turns to another codec.
    pub(super) fn switch(&mut self, switch: &Switch) {
        let is_by_datagram = self.datagrams.as_ref().is_some_and(|way| way.asking.is_on());
        let Some(sounds) = &mut self.sounds else { return };
        match sounds.switch(switch, !is_by_datagram) {
            Some(()) => {
                debug!("{} from {} on", sounds.codec(), switch.from);
                let first = self.clocks.fit.as_ref().map(Fit::first);
                self.connect.seen.air().comes_as(sounds.codec(), first);
                self.clocks.codec.clone_from(&switch.codec);
            }
            None => debug!("a switch that cannot be followed: {switch:?}"),
        }
    }
}
