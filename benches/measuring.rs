//! What every measurement here shares.

/// Whatever goes wrong in a bench is read by a person and ends it.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Whether this is to be measured (`cargo bench`) and not only tried once (`cargo test`).
pub(crate) fn is_measuring() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}
