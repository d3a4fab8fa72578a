//! The protocol, held to its word: golden bytes in both directions, the document against the code,
//! a real server against peers that speak literal bytes, and arbitrary bytes against every reader.

mod conversation;
mod datagram_vectors;
mod document;
mod hostile;
mod hostile_datagrams;
mod mutation;
mod peer;
mod private_vectors;
mod vectors;
