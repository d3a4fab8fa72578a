//! How much later an output is heard than its card says: a chirp is played, a microphone hears it, and the
//! difference becomes the output's trim.
//!
//! [`chirp`] makes what is played, [`find`] finds it in what was heard, [`verdict`] says what that is worth,
//! and [`programme`] does with what a room plays anyway. Those know no card. `room` and `listen` join them
//! with cards, and `run` is what the program does.

pub mod chirp;
pub mod find;
mod fourier;
#[cfg(feature = "device")]
mod listen;
#[cfg(feature = "device")]
mod pair;
#[cfg(feature = "device")]
mod player;
pub mod programme;
pub(crate) mod pulled;
#[cfg(feature = "device")]
mod recorder;
#[cfg(feature = "device")]
pub(crate) mod room;
#[cfg(feature = "device")]
pub mod run;
#[cfg(feature = "device")]
mod side;
pub mod verdict;

pub(crate) use fourier::median;
