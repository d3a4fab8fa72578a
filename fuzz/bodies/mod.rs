//! One function for each reader of what others made: `fn run(data: &[u8])`, which panics where
//! something is wrong. The fuzz targets and the ordinary tests run them alike.

pub mod input;
pub mod watch;

pub mod asks;
pub mod control;
pub mod conversation;
pub mod deframer;
pub mod discovery;
pub mod engine;
pub mod entering;
pub mod files;
pub mod http;
pub mod icecast;
pub mod listener;
pub mod messages;
pub mod opus;
pub mod outbox;
pub mod player;
pub mod playout;
pub mod presets;
pub mod repair;
pub mod responder;
pub mod sealed;
pub mod snapcast;
#[cfg(feature = "https")]
pub mod tls;
pub mod voice;
pub mod websocket;
