//! Monotonic time in microseconds, and what is known about other clocks.

mod arrivals;
mod capture;
mod card;
mod edge;
mod line;
mod server;
mod shift;
mod timeline;
mod trust;

pub use arrivals::Arrivals;
pub use capture::CaptureClock;
pub use card::CardClock;
pub use server::{Learnt, Offset, ServerClock};
pub use timeline::Timeline;
pub use trust::Trust;

use std::time::{Duration, Instant};

/// Farthest that a listener's own sound can be moved against that of the others, either way, in milliseconds.
pub(crate) const FARTHEST_MS: i32 = 5000;

/// Sound cannot be heard sooner than this after its capture, whatever the trim, in ms.
pub(crate) const SOONEST_MS: i32 = 10;

/// The earliest that a listener's own sound can be moved to where the playout delay is `delay_ms`, in ms.
pub(crate) fn earliest_trim_ms(delay_ms: i32) -> i32 {
    SOONEST_MS.saturating_sub(delay_ms).min(0)
}

/// This process's monotonic clock: microseconds since the clock was made. Copies agree.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    epoch: Instant,
}

/// Where a clock starts, so that times shortly before its making (a card's buffered sound) are
/// still positive.
const START: Duration = Duration::from_secs(1000);

impl Clock {
    /// A clock that starts now. A process makes one and copies it.
    #[must_use]
    pub fn start() -> Self {
        Self { epoch: Instant::now() }
    }

    /// Microseconds now.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.us(Instant::now())
    }

    /// What this clock showed, or will show, at an instant, in µs.
    #[must_use]
    pub fn us(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch) + START;
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }
}
