//! Another stream in place of the one that was: what comes from elsewhere has begun anew there.

use log::error;

use super::{Log, Shape, Transmit, datagrams};
use crate::codec::Codec;
use crate::random::new_key;

impl Transmit {
    /// Has everybody come again, to a room that has another stream. Nothing of the old one is sent any more.
    pub(super) fn begin_anew(&mut self, shape: &Shape) {
        for index in 0..self.seats.len() {
            self.leave(index, "comes again: the stream begins anew");
        }
        self.room.take(shape);
        self.logs = Codec::all().map(|codec| Log::new(self.room.queue_bound(codec))).into();
        self.cut = datagrams::logs(&self.room);
        self.old_delay = (0, 0);
        let now = self.clock.now_us();
        if let Some(keys) = &mut self.keys {
            match new_key() {
                Ok(secret) => keys.begin_anew(secret, now),
                Err(e) => {
                    // Sealed with an old key, what is played now would tell of what was played before.
                    error!("the room cannot go on: {e}");
                    self.stopping = true;
                }
            }
        }
        self.mind_keys();
    }
}
