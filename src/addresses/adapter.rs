//! Tells a network that people are on from one that only programs use, by what the system says of the
//! adapter and by its name.

use super::Interface;

/// What is at the other end of a network adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Adapter {
    /// A cable or Wi-Fi, as far as can be told.
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

/// Words that programs put into the names of their tunnels, behind their own: a number follows, or
/// anything. `cscotun0`, `gpd-vpn`.
const TUNNELS: [&str; 3] = ["tun", "tap", "vpn"];

/// Types of adapters on Linux (`if_arp.h`) that no cable or Wi-Fi has: PPP, IP in IP and its form for
/// IPv6, SIT, GRE and its form for IPv6, mobile modems, and those without an address of their own
/// (WireGuard, most VPNs).
#[cfg(target_os = "linux")]
const LINUX_TUNNELS: [u32; 8] = [512, 768, 769, 776, 778, 823, 519, 65534];

/// Letters of the network id that Docker puts behind `br-`. Without them it is an ordinary bridge,
/// such as a router's `br-lan`.
const DOCKER_ID: usize = 12;

impl Adapter {
    /// What an adapter leads to.
    pub(super) fn of(interface: &Interface) -> Self {
        match Self::named(&interface.name) {
            Self::Ordinary if interface.is_tunnel => Self::Vpn,
            named => named,
        }
    }

    /// What the adapter called `name` leads to, as far as its name tells.
    fn named(name: &str) -> Self {
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
            .map_or_else(|| Self::by_word(&name), |&(_, adapter)| adapter)
    }

    fn by_word(name: &str) -> Self {
        let is_tunnel = TUNNELS.iter().any(|word| {
            name.split_once(word).is_some_and(|(_, behind)| {
                behind.is_empty() || behind.starts_with(|c: char| !c.is_alphabetic())
            })
        });
        if is_tunnel { Self::Vpn } else { Self::Ordinary }
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

/// Whether Linux says that an adapter is a tunnel: VPNs give theirs any name.
#[cfg(target_os = "linux")]
pub(super) fn is_tunnel(name: &str) -> bool {
    is_tunnel_in(std::path::Path::new("/sys/class/net"), name)
}

/// Elsewhere only the flag tells that only one other end is there.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_tunnel(_: &str) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn is_tunnel_in(folder: &std::path::Path, name: &str) -> bool {
    let adapter = folder.join(name);
    let kind = std::fs::read_to_string(adapter.join("type"));
    let kind = kind.ok().and_then(|text| text.trim().parse::<u32>().ok());
    adapter.join("tun_flags").exists() || kind.is_some_and(|kind| LINUX_TUNNELS.contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnel_is_known_by_what_it_is_whatever_its_name() {
        let interface = |name: &str, is_tunnel| Interface {
            name: name.to_owned(),
            ip: "10.8.0.2".parse().unwrap(),
            index: None,
            is_tunnel,
        };
        assert_eq!(Adapter::of(&interface("work", true)), Adapter::Vpn);
        assert_eq!(Adapter::of(&interface("work", false)), Adapter::Ordinary);
        assert_eq!(Adapter::of(&interface("docker0", true)), Adapter::Containers);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_tunnels_by_their_type_or_by_the_program_behind_them() {
        let folder = std::env::temp_dir().join(format!("auralync-adapters-{}", std::process::id()));
        for (name, kind, tun) in [
            ("home", "1", false),
            ("work", "65534", false),
            ("tap", "1", true),
            ("modem", "512", false),
        ] {
            let adapter = folder.join(name);
            std::fs::create_dir_all(&adapter).unwrap();
            std::fs::write(adapter.join("type"), format!("{kind}\n")).unwrap();
            if tun {
                std::fs::write(adapter.join("tun_flags"), "0x1002\n").unwrap();
            }
            assert_eq!(is_tunnel_in(&folder, name), name != "home", "{name}");
        }
        assert!(!is_tunnel_in(&folder, "gone"));
        std::fs::remove_dir_all(folder).unwrap();
    }

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
            ("cscotun0", Adapter::Vpn),
            ("gpd-vpn", Adapter::Vpn),
            ("fortunate", Adapter::Ordinary),
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
