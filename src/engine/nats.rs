//! The protocol of NATS, as its client side needs it: <https://docs.nats.io/reference/reference-protocols/nats-protocol>.
//!
//! Pure: bytes and addresses are arguments. Lines end with CR LF, and what is published follows its line as
//! it is, with its length in the line.

mod addresses;
mod info;
mod nkey;
mod session;
mod url;
mod wire;

pub use addresses::Addresses;
pub use info::{Info, MOST_ADDRESSES};
pub use nkey::{Nkey, PUBLIC_LENGTH};
pub use session::{End, Event, MOST_WAITING, Session, Who};
pub use url::{DEFAULT_PORT, Url};
pub use wire::{Broken, MAX_LINE, MAX_PAYLOAD, Operation, Reader, Writer};
