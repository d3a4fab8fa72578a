//! A room in which everything is as it should be.

use std::path::PathBuf;

use crate::support::program::{Guarded, Program};
use crate::support::recorder::Recorder;
use crate::support::room::{EAR1, PC, Room, Sink};
use crate::{MUSIC_S, listener_with, server};

/// A room where the PC plays music, and a listener's first ear is about to hear it.
pub(crate) struct Evening {
    pub(crate) room: Room,
    pub(crate) music: PathBuf,
    pub(crate) server: Program,
    pub(crate) listener: Program,
    pub(crate) recorder: Recorder,
    pub(crate) player: Guarded,
}

impl Evening {
    /// Begins with that default output, and these flags for the listener. PulseAudio moves what plays
    /// and records to another place whenever its default is unplugged.
    pub(crate) fn begin(default: Sink, flags: &[&str]) -> Self {
        let room = Room::open();
        room.make_default(default);
        let music = room.noise(MUSIC_S);
        let (server, address) = server(&room, "loopback:pc");
        let listener = listener_with(&room, &address, EAR1, flags);
        let recorder = room.record();
        let player = room.play(&music, PC);
        Self { room, music, server, listener, recorder, player }
    }
}
