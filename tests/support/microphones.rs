//! Microphones of a room.

use super::room::{RATE, Room, Sink};

/// What is played here is what two people say into their microphones, once those are plugged in: one
/// into each channel.
pub(crate) const MOUTH: Sink = Sink { name: "mouth", channels: "side-left,side-right" };

/// The microphone of somebody.
pub(crate) const MIC1: Microphone = Microphone { name: "mic1", channel: "front-left" };

/// An input that programs can record from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Microphone {
    pub(crate) name: &'static str,
    /// Of what [`MOUTH`] plays.
    pub(crate) channel: &'static str,
}

impl Room {
    /// Programs record from that microphone where they are told of none.
    #[allow(dead_code, reason = "only browsers are told of none")]
    pub(crate) fn make_default_input(&self, microphone: Microphone) {
        self.pactl(&["set-default-source", microphone.name]);
    }

    /// Plugs in a microphone, which hears one channel of what [`MOUTH`] plays.
    pub(crate) fn plug_microphone(&mut self, microphone: Microphone) {
        if !self.modules.contains_key(MOUTH.name) {
            self.plug(MOUTH);
        }
        let Microphone { name, channel } = microphone;
        let index = self.pactl(&[
            "load-module",
            "module-remap-source",
            &format!("source_name={name}"),
            "master=mouth.monitor",
            &format!("rate={RATE}"),
            "channels=1",
            "channel_map=mono",
            &format!("master_channel_map={channel}"),
            "remix=no",
            &format!("source_properties=device.description={name}"),
        ]);
        self.modules.insert(name, index);
    }
}
