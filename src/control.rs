//! Telling a running server what to do: JSON-RPC 2.0 over a WebSocket on the page's port, for
//! programs on the same machine that can read the server's token. `docs/control.md` is its manual.

pub mod ask;
pub mod ctl;
pub mod rpc;
pub mod token;

/// Where programs open their WebSocket.
pub const PATH: &str = "/control";
