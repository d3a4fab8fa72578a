//! Sound between servers, by way of an engine that others build: one server publishes, any number of others
//! subscribe and serve listeners of their own.

pub mod config;
pub mod edge;
pub mod key;
pub mod line;
pub mod nats;
pub mod news;
pub mod people;
pub mod said;
pub mod sealed;
pub mod uplink;
