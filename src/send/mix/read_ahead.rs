//! Reads a file or a pipe, or makes a tone, ahead of time on a thread of its own, so that a slow disk
//! holds nobody up. A source beside the carrier follows the carrier's frames one by one.

use std::time::Duration;

use log::{error, info};
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use crate::error::Result;
use crate::format::Format;
use crate::shutdown::Shutdown;
use crate::sound::mixdown::Mixdown;
use crate::sound::rate::WholeConverter;
use crate::soundless::Generator;
use crate::threads::{Priority, spawn};

/// What is read ahead: longer than a disk takes to wake up while something else reads from it, and
/// more than the mix makes up for at once after a stall ([`LONGEST_CATCH_UP_US`]) beside what is
/// missing until the thread looks again.
///
/// [`LONGEST_CATCH_UP_US`]: super::generating::LONGEST_CATCH_UP_US
const AHEAD_MS: f64 = 700.0;

/// Read before the start, so that the first chunk is whole.
const AT_START_MS: f64 = 100.0;

/// How often the thread looks whether there is room again.
const LOOK: Duration = Duration::from_millis(50);

/// Frames that are read at a time.
const BLOCK: usize = 256;

/// The mix's end of the ring.
pub(in crate::send) struct ReadAhead {
    ring: HeapCons<f32>,
    channels: usize,
    /// Samples that are there before anything is heard, at the start and behind a hole.
    at_start: usize,
    /// Whether that much is waited for.
    is_dry: bool,
    /// Whether all has been read and taken.
    has_ended: bool,
}

/// The thread's end.
struct Reader {
    name: String,
    generator: Generator,
    mixdown: Mixdown,
    converter: Option<WholeConverter>,
    mix: Format,
    ring: HeapProd<f32>,
    raw: Vec<f32>,
    /// In the mix's channels, on their way to the converter.
    mixed: Vec<f32>,
    /// At the mix's rate, on their way to the ring.
    converted: Vec<f32>,
    has_ended: bool,
}

impl ReadAhead {
    /// Starts reading what is called `name`, for a mix in the format `mix`; `pick` names two channels.
    ///
    /// # Errors
    /// If the channels do not exist, the rates cannot be converted, the file cannot be read, or the
    /// system gives no thread.
    pub(in crate::send) fn start(
        name: &str,
        generator: Generator,
        pick: Option<(u16, u16)>,
        mix: Format,
        stop: &Shutdown,
    ) -> Result<Self> {
        let source = generator.format();
        let mixdown = Mixdown::new(generator.layout(), mix.channels, pick)?;
        let converter = (source.sample_rate != mix.sample_rate)
            .then(|| WholeConverter::new(source.sample_rate, mix.sample_rate, mix.channels))
            .transpose()?;
        let (producer, ring) =
            HeapRb::new(mix.samples(mix.frames_in_ms(AHEAD_MS).max(4 * BLOCK))).split();
        let mut reader = Reader {
            name: name.to_owned(),
            generator,
            mixdown,
            converter,
            mix,
            ring: producer,
            raw: vec![0.0; source.samples(BLOCK)],
            mixed: Vec::new(),
            converted: Vec::new(),
            has_ended: false,
        };
        let at_start = mix.samples(mix.frames_in_ms(AT_START_MS).max(BLOCK));
        // Who waits for a pipe here could not be stopped.
        let is_dry = reader.generator.may_wait();
        while !is_dry
            && reader.ring.occupied_len() < at_start
            && reader.has_room()
            && !reader.has_ended
        {
            reader.read()?;
        }
        // Nobody waits for its end: a disk may take its time.
        let _reader = spawn("file", Priority::Ordinary, stop, move || reader.run())?;
        Ok(Self { ring, channels: mix.channels.into(), at_start, is_dry, has_ended: false })
    }

    /// Moves the next frames to `out`, as many as are there; returns how many samples they are.
    /// Never waits. Where they run out, none come until there are some in store again: what was
    /// not there in time is heard later, and nothing is lost.
    pub(in crate::send) fn read(&mut self, out: &mut [f32]) -> usize {
        // Asked first: what was written before the thread ended is still to come.
        let is_over = !self.ring.write_is_held();
        let there = self.ring.occupied_len() / self.channels * self.channels;
        // What comes as fast as it is heard, through a pipe, would else be heard in shreds.
        self.is_dry &= there < self.at_start && !is_over;
        let count = if self.is_dry { 0 } else { there.min(out.len()) };
        self.ring.pop_slice(&mut out[..count]);
        self.is_dry |= count < out.len();
        self.has_ended = is_over && there == count;
        count
    }

    /// Whether nothing more will come.
    pub(in crate::send) fn has_ended(&self) -> bool {
        self.has_ended
    }
}

impl Reader {
    fn run(mut self) {
        while !self.has_ended && self.ring.read_is_held() {
            if !self.has_room() {
                std::thread::sleep(LOOK);
            } else if let Err(e) = self.read() {
                error!("{e}. It is silent from here on");
                return;
            }
        }
        if self.has_ended {
            info!("“{}” has ended", self.name);
        }
    }

    /// Whether a block more fits, whatever the converter makes of it.
    fn has_room(&self) -> bool {
        let ratio = self.converter.as_ref().map_or(1.0, WholeConverter::ratio);
        let frames = (BLOCK as f64 * ratio) as usize + 2 * BLOCK;
        self.ring.vacant_len() >= self.mix.samples(frames)
    }

    /// Reads a block and puts what has become of it into the ring.
    fn read(&mut self) -> Result<()> {
        let frames = self.generator.read(&mut self.raw)?;
        let samples = &self.raw[..self.generator.format().samples(frames)];
        self.mixdown.apply(samples, &mut self.mixed);
        self.has_ended = frames == 0;
        match &mut self.converter {
            None => {
                self.ring.push_slice(&self.mixed);
            }
            Some(converter) => {
                converter.push(&self.mixed, &mut self.converted);
                if self.has_ended {
                    converter.finish(&mut self.converted);
                }
                self.ring.push_slice(&self.converted);
                self.converted.clear();
            }
        }
        self.mixed.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::recording::WavFile;
    use crate::scratch::Scratch;
    use crate::source::Kind;

    const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

    fn opened(rate: u32, channels: u16, samples: &[f32]) -> ReadAhead {
        let scratch = Scratch::new();
        let path = scratch.path("a.wav");
        let format = Format { sample_rate: rate, channels };
        let mut file = WavFile::create(&path, format, false).unwrap();
        file.write(samples).unwrap();
        file.finish().unwrap();
        let generator = Generator::open(&Kind::File(path), false, STEREO).unwrap();
        ReadAhead::start("a", generator, None, STEREO, &Shutdown::default()).unwrap()
    }

    fn all(ahead: &mut ReadAhead) -> Vec<f32> {
        let begun = Instant::now();
        let mut heard = Vec::new();
        let mut part = [0.0; 2 * 333];
        while !ahead.has_ended() {
            assert!(begun.elapsed() < Duration::from_secs(20), "it never ends");
            let count = ahead.read(&mut part);
            heard.extend_from_slice(&part[..count]);
            if count == 0 {
                std::thread::yield_now();
            }
        }
        heard
    }

    #[test]
    fn every_frame_of_a_file_comes_in_order_and_then_its_end() {
        let ramp: Vec<f32> = (0..100_000).map(|n| n as f32 / 200_000.0).collect();
        assert!(all(&mut opened(48_000, 2, &ramp)) == ramp);
    }

    #[test]
    fn the_first_frame_is_there_at_once_and_in_place_at_every_rate_and_channel_count() {
        for rate in [8_000, 11_025, 44_100, 96_000, 192_000] {
            for channels in [1_u16, 2, 3, 5, 7] {
                let frames = rate as usize / 2;
                let hz = 400.0;
                let sine = |n: usize, rate: f64| {
                    (n as f64 / rate * hz * std::f64::consts::TAU).sin() as f32 * 0.5
                };
                let samples: Vec<f32> = (0..frames)
                    .flat_map(|n| vec![sine(n, f64::from(rate)); channels.into()])
                    .collect();
                let mut ahead = opened(rate, channels, &samples);
                assert!(ahead.ring.occupied_len() > 0);
                let heard = all(&mut ahead);
                let ended = heard.len() as f64 / 2.0 / 48_000.0;
                assert!((ended - 0.5).abs() < 0.01, "{rate} Hz: {ended} s");
                // Frames of another rate fall between those of the mix: to within half a frame.
                let half_a_frame = (0.5 * std::f64::consts::TAU * hz * 0.5 / 48_000.0) as f32;
                for (n, frame) in heard.chunks(2).enumerate().take(23_000).skip(800) {
                    let error = (frame[0] - sine(n, 48_000.0)).abs();
                    assert!(error < half_a_frame, "{rate} Hz, {channels}: off by {error} at {n}");
                    assert_eq!(frame[0], frame[1]);
                }
            }
        }
    }

    #[test]
    fn the_thread_ends_when_nobody_listens() {
        let tone = Generator::open(&Kind::Tone { hz: 440.0 }, false, STEREO).unwrap();
        let ahead = ReadAhead::start("a tone", tone, None, STEREO, &Shutdown::default()).unwrap();
        assert!(!ahead.has_ended());
        drop(ahead);
    }

    #[test]
    fn what_is_late_is_heard_later_and_holds_nobody_up() {
        let (mut written, ring) = HeapRb::<f32>::new(2_000).split();
        let (channels, at_start) = (2, 400);
        let mut ahead = ReadAhead { ring, channels, at_start, is_dry: true, has_ended: false };
        let mut next = 0..;
        let mut write = |count: usize| {
            written.push_iter(&mut next.by_ref().take(count).map(|n: u16| f32::from(n)))
        };
        let mut out = [0.0; 100];
        assert_eq!((write(398), ahead.read(&mut out)), (398, 0));
        let mut heard = Vec::new();
        write(2);
        while heard.len() < 400 {
            assert_eq!(ahead.read(&mut out), 100);
            heard.extend_from_slice(&out);
        }
        // Nothing more has come: silence, until there is enough again.
        for count in [0, 100, 200, 98] {
            write(count);
            assert_eq!(ahead.read(&mut out), 0);
        }
        write(2);
        assert_eq!((ahead.read(&mut out), ahead.has_ended()), (100, false));
        heard.extend_from_slice(&out);
        assert!(heard.iter().zip(0..).all(|(heard, n)| *heard == f32::from(n as u16)));
        // At the end the rest is heard, however little it is.
        drop(written);
        let rest: usize = (0..4).map(|_| ahead.read(&mut out)).sum();
        assert_eq!((rest, ahead.has_ended()), (300, true));
    }
}
