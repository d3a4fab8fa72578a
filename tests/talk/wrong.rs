//! Talkers that mean no good: each is told in one clear line, and nobody else hears any of it.
