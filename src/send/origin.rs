//! Where a server's sound comes from first.

use std::sync::Arc;

use super::edge::Downlink;
use super::mix::Mix;
use super::mix::prepare::Fitting;
use super::mix::read_ahead::ReadAhead;
use crate::engine::said::Stream;
use crate::error::Result;
use crate::format::Format;
use crate::settings::ServerSettings;
use crate::sound::mixdown::Layout;
use crate::soundless::Generator;
use crate::source::{Kind, Source};
use crate::stats;

/// The stream's rate where neither a card nor a file tells.
const DEFAULT_RATE: u32 = 48_000;

/// Where the sound comes from.
pub(super) enum Origin {
    Generator(Generator),
    /// Another server, by way of an engine. There is no mix then.
    Engine(Box<(Downlink, Stream)>),
    /// None yet, where this PC has no sound so far.
    #[cfg(feature = "device")]
    Card(Option<Box<crate::device::InputDevice>>),
}

impl Origin {
    /// Opens `source`.
    ///
    /// # Errors
    /// Whatever keeps it from being opened, as a sentence for the user.
    pub(super) fn open(source: &Source, settings: &ServerSettings) -> Result<Self> {
        let rate = settings.preset.sample_rate.unwrap_or(DEFAULT_RATE);
        let fallback = Format { sample_rate: rate, channels: settings.preset.channels };
        match &source.kind {
            #[cfg(feature = "device")]
            Kind::Loopback(_) | Kind::Device(_) => {
                Ok(Self::Card(super::keep_card::find(&source.kind)?.map(Box::new)))
            }
            #[cfg(not(feature = "device"))]
            Kind::Loopback(_) | Kind::Device(_) => Err(super::no_cards()),
            kind => Generator::open(kind, source.looped, fallback).map(Self::Generator),
        }
    }

    /// Its rate in Hz, or the usual one where nobody knows yet.
    pub(super) fn sample_rate(&self) -> u32 {
        match self {
            Self::Generator(generator) => generator.format().sample_rate,
            Self::Engine(edge) => edge.1.sample_rate,
            #[cfg(feature = "device")]
            Self::Card(device) => device.as_ref().map_or(DEFAULT_RATE, |d| d.format().sample_rate),
        }
    }

    /// What its channels are, where that is known.
    pub(super) fn layout(&self) -> Option<Layout> {
        match self {
            Self::Generator(generator) => Some(generator.layout().clone()),
            Self::Engine(_) => None,
            #[cfg(feature = "device")]
            Self::Card(device) => device.as_ref().map(|device| device.layout().clone()),
        }
    }

    /// The card's id, where it is one that is there.
    pub(super) fn device_id(&self) -> Option<&str> {
        match self {
            Self::Generator(_) | Self::Engine(_) => None,
            #[cfg(feature = "device")]
            Self::Card(device) => device.as_ref().map(|device| device.id()),
        }
    }

    /// Starts what gives the mix its sound.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn feed(
        self,
        mix: &mut Mix,
        source: Source,
        fitting: &Fitting,
        #[cfg_attr(not(feature = "device"), expect(unused_variables, reason = "for a card"))]
        counters: &Arc<stats::Capture>,
    ) -> Result<()> {
        match self {
            Self::Generator(generator) => {
                let (name, pick) = (source.to_string(), source.channels);
                let ahead = ReadAhead::start(&name, generator, pick, fitting.mix, &fitting.stop)?;
                mix.generate(ahead, fitting.clock.now_us())
            }
            // What an engine brings is served as it is.
            Self::Engine(_) => Ok(()),
            #[cfg(feature = "device")]
            Self::Card(device) => {
                use crate::threads::{Priority, spawn};

                let capturing = fitting.captured.source();
                capturing.set(device.as_ref().and_then(|device| device.captured_output_id()));
                let card = super::keep_card::KeepCard {
                    producer: mix.cards(source.channels),
                    source,
                    found: device.map(|device| *device),
                    delay_ms: Arc::clone(&fitting.delay_ms),
                    clock: fitting.clock,
                    counters: Arc::clone(counters),
                    capturing,
                    is_carrier: true,
                    mix_channels: fitting.mix.channels,
                };
                let (stop, heard) = (&fitting.stop, fitting.stop.clone());
                // Opening a card can take seconds; nobody waits for this thread to end.
                spawn("card", Priority::Ordinary, stop, move || card.run(&heard)).map(drop)
            }
        }
    }
}
