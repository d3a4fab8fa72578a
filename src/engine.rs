//! Sound between servers, by way of an engine that others build: one server publishes, any number of others
//! subscribe and serve listeners of their own.

#[cfg(feature = "https")]
mod certificate;
pub mod config;
pub mod edge;
pub mod key;
pub mod line;
pub mod nats;
pub mod news;
#[cfg(not(feature = "https"))]
mod no_tls;
pub mod said;
pub mod sealed;
#[cfg(feature = "https")]
mod tls;
pub mod uplink;

#[cfg(not(feature = "https"))]
pub use no_tls::{Tls, Trust};
#[cfg(feature = "https")]
pub use tls::{Tls, Trust};

#[cfg(feature = "https")]
use certificate::certificate;
#[cfg(not(feature = "https"))]
use no_tls::certificate;
