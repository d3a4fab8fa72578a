use serde_json::json;

use super::*;
use crate::codec::Codec;

fn keys(stats: &impl Serialize) -> Vec<String> {
    let value = serde_json::to_value(stats).unwrap();
    value.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn spans_of_different_length_each_know_their_loudest_moment() {
    use std::time::Duration;
    let mut long = Loudest::every(Duration::from_micros(30), 0);
    let mut short = Loudest::every(Duration::from_micros(20), 0);
    let levels = [(10, -40.0), (20, -9.0), (30, -50.0), (40, -20.0), (50, -30.0)];
    let heard = |loudest: &mut Loudest| -> Vec<_> {
        levels.iter().filter_map(|&(now_us, level)| loudest.over(now_us, level)).collect()
    };
    assert_eq!(heard(&mut long), [-9.0]);
    assert_eq!(heard(&mut short), [-9.0, -20.0]);
    assert_eq!((long.so_far(-25.0), short.so_far(-25.0)), (-20.0, -25.0));
}

#[test]
fn every_key_and_word_is_explained_in_the_document() {
    let listener = ListenerStats {
        address: ([127, 0, 0, 1], 5555).into(),
        name: String::new(),
        version: 2,
        via: Via::Tcp,
        codec: Codec::Float32,
        connected_s: 0.0,
        queued: 0,
        frames: 0,
        bytes: 0,
        datagrams: 0,
        resent: 0,
        resent_refused: 0,
        dropped_full: 0,
        dropped_old: 0,
        report: Some(crate::wire::Report { spare_ms: Some(0.0), ..crate::wire::Report::default() }),
        person: Some(PersonStats::default()),
    };
    let player = PlayerStats {
        player: "mpv".to_owned(),
        at: String::new(),
        process: Some(1),
        state: PlayerState::Held,
        delay_ms: 300.0,
        own_ms: 0.0,
    };
    let server = ServerStats {
        snapclients: Some(vec![]),
        players: Some(vec![player]),
        ..ServerStats::default()
    };
    let client = ClientStats::default();
    let document = include_str!("../../docs/stats.md");
    let (of_client, of_server) = document.split_once("## auralync-server").unwrap();
    for (keys, part) in [
        (keys(&client), of_client),
        (keys(&server), of_server),
        (keys(&SourceStats { behind_ms: Some(80), ..SourceStats::default() }), of_server),
        (keys(&Icecast::new(String::new()).now()), of_server),
        (keys(&server.players.iter().flatten().next()), of_server),
        (keys(&listener), of_server),
        (keys(&SnapclientStats::default()), of_server),
        (keys(&listener.report), of_server),
        (keys(&listener.person), of_server),
    ] {
        for key in keys {
            assert!(part.contains(&format!("`{key}`")), "{key}");
        }
    }
    let words = json!([
        [SourceState::Playing, SourceState::Waiting, SourceState::Ended],
        [Via::Tcp, Via::Udp, Via::WebSocket, Via::Fetch],
        [PlayerState::Waiting, PlayerState::Held, PlayerState::PutBack, PlayerState::Lies],
        [IcecastState::Away, IcecastState::Asked, IcecastState::Sending],
    ]);
    for word in words.as_array().unwrap().iter().flat_map(|some| some.as_array().unwrap()) {
        let word = word.as_str().unwrap();
        assert!(of_server.contains(&format!("`{word}`")), "{word}");
    }
    assert_eq!(serde_json::to_value(Codec::parse("opus:96")).unwrap(), "opus:96");
}
