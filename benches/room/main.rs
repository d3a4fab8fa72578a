//! How late and how whole sound arrives in a room with no hardware.
fn main() {}
