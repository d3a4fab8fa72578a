//! Where a server has its page.

use std::net::SocketAddr;

use super::program::Program;

impl Program {
    /// Where browsers find a server's page, as it tells its user.
    #[track_caller]
    pub(crate) fn page(&mut self) -> SocketAddr {
        self.find(" open http://", |line| {
            let (_, url) = line.split_once(" open http://")?;
            url.split_once('/')?.0.parse().ok()
        })
    }
}
