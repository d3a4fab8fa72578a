//! What is counted of datagrams.

/// What has happened to datagrams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Datagrams of sound that came, by themselves or because they were asked for.
    pub datagrams: u64,
    /// Datagrams that never came by themselves.
    pub lost: u64,
    /// Those among them that came because they were asked for.
    pub repaired: u64,
    /// Those among them that were made again by parity.
    pub restored: u64,
    /// Those among them that were missing in the end.
    pub missing: u64,
    /// Datagrams that came again.
    pub duplicates: u64,
    /// Datagrams that came after their time.
    pub late: u64,
    /// Datagrams that cannot be what they say.
    pub refused: u64,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            datagrams: self.datagrams + other.datagrams,
            lost: self.lost + other.lost,
            repaired: self.repaired + other.repaired,
            restored: self.restored + other.restored,
            missing: self.missing + other.missing,
            duplicates: self.duplicates + other.duplicates,
            late: self.late + other.late,
            refused: self.refused + other.refused,
        }
    }
}
