//! Who is on a server that lets listeners speak.

use auralync::wire::People;

use super::room_server::RoomServer;

impl RoomServer {
    /// Tells everybody who is there.
    pub(crate) fn tell(&self, people: &People) {
        *self.shared.people.lock().unwrap() = people.frame();
    }
}
