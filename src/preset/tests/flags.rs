//! What flags say instead of a preset.

use super::super::*;

#[test]
fn an_absent_flag_keeps_the_preset_and_a_present_one_wins() {
    let preset = Preset {
        chunk_size: 100,
        max_queue_size: 7,
        max_clients: 8,
        max_talkers: 3,
        listen_backlog: 9,
        per_address: None,
        playout_delay_ms: 900,
        auto_delay: false,
        sample_rate: Some(32_000),
        channels: 1,
        port: 6000,
        bind: Some([127, 0, 0, 9].into()),
        source: Some(vec!["none".into()]),
        name: Some("attic".into()),
        private: false,
        codecs: None,
        icecast: None,
        engine: None,
        engine_room: None,
    };
    assert_eq!(preset.with(Overrides::default()).unwrap(), preset);

    macro_rules! wins {
        ($($key:ident: $value:expr => $expected:expr;)*) => {$(
            let flag = Overrides { $key: Some($value), ..Overrides::default() };
            let expected = Preset { $key: $expected, ..preset.clone() };
            assert_eq!(preset.with(flag).unwrap(), expected, stringify!($key));
        )*};
    }
    wins! {
        chunk_size: 512 => 512;
        max_queue_size: 33 => 33;
        max_clients: 0 => 0;
        max_talkers: 5 => 5;
        listen_backlog: 5 => 5;
        per_address: 6 => Some(6);
        playout_delay_ms: 250 => 250;
        auto_delay: true => true;
        sample_rate: 44_100 => Some(44_100);
        channels: 2 => 2;
        port: 0 => 0;
        bind: [127, 0, 0, 1].into() => Some([127, 0, 0, 1].into());
        source: vec!["tone".into()] => Some(vec!["tone".into()]);
        name: "cellar".into() => Some("cellar".into());
        private: true => true;
        codecs: vec!["f32".into()] => Some(vec!["f32".into()]);
        icecast: vec!["icecast://a".into()] => Some(vec!["icecast://a".into()]);
        engine: vec!["tls://a".into()] => Some(vec!["tls://a".into()]);
        engine_room: "hall".parse().unwrap() => Some("hall".parse().unwrap());
    }
    // A delay that is typed is not one that is to be found.
    let found = Preset { auto_delay: true, ..preset };
    let typed = Overrides { playout_delay_ms: Some(250), ..Overrides::default() };
    assert!(
        !found.with(typed).unwrap().auto_delay
            && found.with(Overrides::default()).unwrap().auto_delay
    );
}
