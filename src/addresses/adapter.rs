//! Tells a network that people are on from one that only programs use, by the adapter's name.

/// What is at the other end of a network adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Adapter {
    /// A cable or Wi-Fi, as far as the name tells.
    Ordinary,
    /// Containers on this PC.
    Containers,
    /// Virtual machines on this PC, or the system's own devices.
    Virtual,
    /// A network somewhere else.
    Vpn,
}

/// Beginnings of adapter names, in lower case: Linux, macOS and the BSDs number them, Windows
/// spells them out. The first that fits counts.
const BEGINNINGS: [(&str, Adapter); 40] = [
    ("docker", Adapter::Containers),
    ("podman", Adapter::Containers),
    ("vethernet", Adapter::Virtual), // Windows; before the shorter Linux name
    ("veth", Adapter::Containers),
    ("cni", Adapter::Containers),
    ("cali", Adapter::Containers),
    ("flannel", Adapter::Containers),
    ("lxc", Adapter::Containers),
    ("lxd", Adapter::Containers),
    ("incus", Adapter::Containers),
    ("waydroid", Adapter::Containers),
    ("virbr", Adapter::Virtual),
    ("vnet", Adapter::Virtual),
    ("vmnet", Adapter::Virtual),
    ("vmenet", Adapter::Virtual),
    ("vboxnet", Adapter::Virtual),
    ("vmware", Adapter::Virtual),
    ("virtualbox", Adapter::Virtual),
    ("hyper-v", Adapter::Virtual),
    ("bridge1", Adapter::Virtual), // macOS: from bridge100 on; bridge0 is a cable
    ("awdl", Adapter::Virtual),    // macOS: AirDrop between Apple devices
    ("llw", Adapter::Virtual),
    ("anpi", Adapter::Virtual),
    ("tun", Adapter::Vpn),
    ("tap", Adapter::Vpn),
    ("utun", Adapter::Vpn),
    ("wg", Adapter::Vpn),
    ("wireguard", Adapter::Vpn),
    ("tailscale", Adapter::Vpn),
    ("zerotier", Adapter::Vpn),
    ("zt", Adapter::Vpn),
    ("feth", Adapter::Vpn), // macOS: ZeroTier
    ("ppp", Adapter::Vpn),
    ("ipsec", Adapter::Vpn),
    ("openvpn", Adapter::Vpn),
    ("nordlynx", Adapter::Vpn),
    ("proton", Adapter::Vpn),
    ("mullvad", Adapter::Vpn),
    ("hamachi", Adapter::Vpn),
    ("radmin", Adapter::Vpn),
];

/// Letters of the network id that Docker puts behind `br-`. Without them it is an ordinary bridge,
/// such as a router's `br-lan`.
const DOCKER_ID: usize = 12;

impl Adapter {
    /// What the adapter called `name` leads to.
    pub(super) fn named(name: &str) -> Self {
        let name = name.to_lowercase();
        if let Some(id) = name.strip_prefix("br-")
            && id.len() == DOCKER_ID
            && id.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            return Self::Containers;
        }
        BEGINNINGS
            .iter()
            .find(|(beginning, _)| name.starts_with(beginning))
            .map_or(Self::Ordinary, |&(_, adapter)| adapter)
    }

    /// Who can listen through it.
    pub(super) fn note(self, name: &str) -> String {
        match self {
            Self::Ordinary => String::new(),
            Self::Containers => format!("only for containers on this PC ({name})"),
            Self::Virtual => format!("only for virtual machines on this PC ({name})"),
            Self::Vpn => format!("only over the VPN ({name})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_networks_of_programs_are_told_from_those_of_people() {
        let names = [
            // Linux
            ("eth0", Adapter::Ordinary),
            ("enp3s0", Adapter::Ordinary),
            ("wlp2s0", Adapter::Ordinary),
            ("wlan0", Adapter::Ordinary),
            ("br0", Adapter::Ordinary),
            ("br-lan", Adapter::Ordinary),
            ("bond0", Adapter::Ordinary),
            ("docker0", Adapter::Containers),
            ("br-1a2b3c4d5e6f", Adapter::Containers),
            ("vethd1c0ffe", Adapter::Containers),
            ("virbr0", Adapter::Virtual),
            ("tun0", Adapter::Vpn),
            ("tailscale0", Adapter::Vpn),
            // Windows
            ("Ethernet", Adapter::Ordinary),
            ("WLAN", Adapter::Ordinary),
            ("Wi-Fi", Adapter::Ordinary),
            ("Local Area Connection* 2", Adapter::Ordinary),
            ("vEthernet (Default Switch)", Adapter::Virtual),
            ("vEthernet (WSL)", Adapter::Virtual),
            ("VMware Network Adapter VMnet8", Adapter::Virtual),
            ("VirtualBox Host-Only Network", Adapter::Virtual),
            ("Tailscale", Adapter::Vpn),
            ("OpenVPN TAP-Windows6", Adapter::Vpn),
            // macOS
            ("en0", Adapter::Ordinary),
            ("bridge0", Adapter::Ordinary),
            ("bridge100", Adapter::Virtual),
            ("awdl0", Adapter::Virtual),
            ("utun3", Adapter::Vpn),
        ];
        for (name, adapter) in names {
            assert_eq!(Adapter::named(name), adapter, "{name}");
        }
    }
}
