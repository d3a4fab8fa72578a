//! The real programs over 127.0.0.1, with sound of which every sample tells its position.

#[cfg(unix)]
mod bad_files;
#[cfg(unix)]
mod change;
#[cfg(unix)]
mod codecs;
#[cfg(unix)]
mod codes;
mod crowd;
mod datagrams;
mod dry;
#[cfg(unix)]
mod ear;
#[cfg(unix)]
mod embedded;
#[cfg(unix)] // Stopping and freezing a program takes signals.
mod ending;
#[cfg(unix)]
mod guests;
#[cfg(unix)]
mod key_files;
#[cfg(unix)]
mod members;
#[cfg(unix)]
mod mixing;
#[cfg(unix)]
mod newest;
#[cfg(unix)]
mod old_peers;
#[cfg(unix)]
mod piped;
#[cfg(unix)]
mod private;
#[cfg(unix)]
mod ramp;
#[cfg(unix)]
mod record;
#[cfg(target_os = "linux")]
mod relayed;
#[cfg(target_os = "linux")]
mod restarts;
#[cfg(unix)]
mod second_connection;
#[cfg(unix)]
mod simulate;
mod strangers;
