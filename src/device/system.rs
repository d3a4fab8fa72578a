//! Which kind of system this is, where sound is concerned.

/// The systems whose sound works differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// An output can be captured by itself; some cards add an input called Stereo Mix.
    Windows,
    /// From 14.6 on an output can be captured by itself; before, by a driver such as BlackHole.
    MacOs,
    /// Every PulseAudio or PipeWire output has a monitor among the inputs.
    Linux,
}

impl System {
    /// The one this program was built for. What is neither Windows nor macOS sounds like Linux.
    #[must_use]
    pub const fn current() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::MacOs
        } else {
            Self::Linux
        }
    }
}
