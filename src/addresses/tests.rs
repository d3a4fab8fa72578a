use super::*;

fn local(addresses: &[(&str, &str)]) -> Vec<Interface> {
    addresses
        .iter()
        .map(|(name, ip)| Interface { name: (*name).to_owned(), ip: ip.parse().unwrap() })
        .collect()
}

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

#[test]
fn the_default_routes_address_comes_first_and_other_peoples_networks_last() {
    let local = local(&[
        ("lo", "127.0.0.1"),
        ("docker0", "172.17.0.1"),
        ("enp3s0", "10.0.0.7"),
        ("wlp2s0", "192.168.1.100"),
        ("enp4s0", "169.254.7.7"),
        ("tun0", "10.8.0.2"),
        ("lo", "::1"),
        ("wlp2s0", "fd00::100"),
        ("wlp2s0", "fe80::1"),
        ("veth12", "fe80::2"),
    ]);
    assert_eq!(
        commands(&local, ip("192.168.1.100"), None, 5555),
        [
            "auralync-client 192.168.1.100    ← most likely this one",
            "auralync-client 10.0.0.7",
            "auralync-client fd00::100",
            "auralync-client 169.254.7.7      ← only on the cable or Wi-Fi of enp4s0, where no router is",
            "auralync-client fe80::1%ADAPTER  ← ADAPTER is the listener's own network adapter: its name, on Windows its number",
            "auralync-client 172.17.0.1       ← only for containers on this PC (docker0)",
            "auralync-client 10.8.0.2         ← only over the VPN (tun0)",
        ]
    );
}

#[test]
fn the_port_is_typed_only_when_it_is_another_and_ipv6_then_needs_brackets() {
    let local = local(&[("en0", "192.168.1.5"), ("en0", "fd00::5"), ("en0", "fe80::5")]);
    let typed = commands(&local, None, None, 6000);
    assert_eq!(typed[0], "auralync-client 192.168.1.5:6000");
    assert_eq!(typed[1], "auralync-client [fd00::5]:6000");
    assert!(typed[2].starts_with("auralync-client [fe80::5%ADAPTER]:6000  ← "), "{}", typed[2]);
}

#[test]
fn a_server_bound_to_one_address_shows_only_that() {
    let local = local(&[("eth0", "192.168.1.5"), ("eth1", "10.0.0.5")]);
    let route = ip("192.168.1.5");
    assert_eq!(commands(&local, route, ip("10.0.0.5"), 5555), ["auralync-client 10.0.0.5"]);
    assert_eq!(
        commands(&local, route, ip("127.0.0.1"), 5556),
        ["auralync-client 127.0.0.1:5556  ← only this PC itself can listen"]
    );
    assert_eq!(
        commands(&local, route, ip("::1"), 5555),
        ["auralync-client ::1  ← only this PC itself can listen"]
    );
}

#[test]
fn a_server_bound_to_every_ipv4_address_shows_no_ipv6() {
    let local = local(&[("eth0", "fd00::5"), ("eth0", "192.168.1.5")]);
    assert_eq!(commands(&local, None, ip("0.0.0.0"), 5555), ["auralync-client 192.168.1.5"]);
    assert_eq!(commands(&local, None, ip("::"), 5555).len(), 2);
}

#[test]
fn a_pc_in_no_network_says_so() {
    assert_eq!(
        commands(&local(&[("lo", "127.0.0.1")]), None, None, 5555),
        ["auralync-client 127.0.0.1  ← this PC is in no network: only it can listen"]
    );
}

#[test]
fn a_default_route_through_a_vpn_does_not_hide_the_network_around() {
    let local = local(&[
        ("utun3", "10.8.0.2"),
        ("bridge100", "192.168.64.1"),
        ("en0", "192.168.1.5"),
        ("en1", "192.168.2.5"),
    ]);
    assert_eq!(
        commands(&local, ip("10.8.0.2"), None, 5555),
        [
            "auralync-client 192.168.1.5   ← most likely this one",
            "auralync-client 192.168.2.5",
            "auralync-client 10.8.0.2      ← only over the VPN (utun3)",
            "auralync-client 192.168.64.1  ← only for virtual machines on this PC (bridge100)",
        ]
    );
}

#[test]
fn a_virtual_switch_that_carries_the_default_route_is_the_network_around() {
    let local = local(&[("vEthernet (LAN)", "192.168.1.5"), ("vEthernet (WSL)", "172.20.0.1")]);
    let typed = commands(&local, ip("192.168.1.5"), None, 5555);
    assert_eq!(typed[0], "auralync-client 192.168.1.5  ← most likely this one");
}

#[test]
fn an_address_that_two_adapters_share_is_shown_once() {
    let local = local(&[("eth0", "192.168.1.5"), ("br0", "192.168.1.5")]);
    assert_eq!(commands(&local, None, None, 5555).len(), 1);
}

#[test]
fn this_machine_has_a_loopback_address_and_a_route_among_its_own() {
    let (local, default_route) = here();
    assert!(local.iter().any(|interface| interface.ip.is_loopback()));
    if let Some(route) = default_route {
        assert!(local.iter().any(|interface| interface.ip == route));
    }
}

#[test]
fn lips_are_only_mentioned_when_they_would_be_noticed() {
    assert_eq!(
        lip_sync_hint(300),
        "Listeners hear 300 ms after the picture. mpv: --audio-delay=-0.3; VLC: audio synchronisation −300 ms"
    );
    assert!(lip_sync_hint(1234).contains("--audio-delay=-1.234;"));
    assert!(lip_sync_hint(1000).contains("--audio-delay=-1;"));
    assert!(lip_sync_hint(101).contains("--audio-delay=-0.101;"));
    assert_eq!(
        lip_sync_hint(100),
        "Listeners hear 100 ms after the picture. That is too little to be noticed: nothing needs to be set in the video player."
    );
}

#[test]
fn the_pages_address_is_the_default_routes_and_says_whether_others_reach_it() {
    let local = local(&[("eth1", "fe80::1"), ("eth1", "10.0.0.5"), ("eth0", "192.168.1.5")]);
    let page = |bind: Option<IpAddr>, port| page(&local, ip("192.168.1.5"), bind, port);
    let for_others =
        |url: &str| Page { url: url.to_owned(), is_for_others: true, is_for_browsers: true };
    assert_eq!(page(None, 8080), for_others("http://192.168.1.5:8080/"));
    assert_eq!(page(ip("::"), 80), for_others("http://192.168.1.5:80/"));
    assert_eq!(page(ip("10.0.0.5"), 8081), for_others("http://10.0.0.5:8081/"));
    assert_eq!(page(ip("fd00::5"), 8080), for_others("http://[fd00::5]:8080/"));
    let alone = |is_for_browsers| Page {
        url: "http://127.0.0.1:8080/".to_owned(),
        is_for_others: false,
        is_for_browsers,
    };
    assert_eq!(page(ip("127.0.0.1"), 8080), alone(true));
    assert_eq!(page(ip("fe80::1"), 8080), alone(false), "no browser can be given the adapter");
}

#[test]
fn who_may_open_the_page_is_said_as_it_is() {
    let said = |local: &[Interface], bind| page(local, None, bind, 8080).invitation();
    let home = local(&[("eth0", "fe80::1"), ("eth0", "192.168.1.5")]);
    assert_eq!(said(&home, None), "Phones and browsers open http://192.168.1.5:8080/");
    let alone = "Browsers on this PC open http://127.0.0.1:8080/ and phones and other PCs cannot";
    assert_eq!(said(&local(&[("eth0", "fe80::1")]), None), alone);
    assert_eq!(said(&[], None), alone);
    assert_eq!(said(&home, ip("127.0.0.1")), alone);
    assert!(said(&home, ip("fe80::1")).starts_with("No browser can open the page"));
}
