//! What the players' own settings and command lines say of how they can be told something. Pure.

use std::path::{Path, PathBuf};

/// Where mpv's socket is, by a word of its command line or a line of its mpv.conf.
const SOCKET: &str = "input-ipc-server";

/// The socket that mpv's command line names, as it stands there; the last counts.
#[cfg_attr(windows, allow(dead_code, reason = "nobody is asked for another's command line there"))]
pub(super) fn socket_of_words(words: &[String]) -> Option<&str> {
    let mut words = words.iter().take_while(|word| *word != "--");
    let named = words.by_ref().filter_map(|word| {
        let word = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
        word.strip_prefix(SOCKET)?.strip_prefix('=')
    });
    named.last().filter(|socket| !socket.is_empty())
}

/// The socket that mpv.conf names, as it stands there, outside of its profiles.
pub(super) fn socket_of_conf(text: &str) -> Option<&str> {
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with('['));
    let named = lines.filter_map(|line| {
        let value = line.strip_prefix(SOCKET)?.trim_start().strip_prefix('=')?.trim();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        Some(match quote {
            Some(quote) => value[1..].split(quote).next().unwrap_or_default(),
            None => value.split('#').next().unwrap_or_default().trim_end(),
        })
    });
    named.last().filter(|socket| !socket.is_empty())
}

/// What mpv makes of a socket's name: `~~/` is its `own` folder, where its mpv.conf is, `~/` the user's, and what does
/// not begin with `/` lies where it runs.
#[cfg_attr(windows, allow(dead_code, reason = "nobody is asked for another's command line there"))]
pub(super) fn socket_path(named: &str, (home, own): (&Path, &Path), folder: &Path) -> PathBuf {
    if let Some(rest) = named.strip_prefix("~~/").or_else(|| named.strip_prefix("~~home/")) {
        return own.join(rest);
    }
    match named.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => folder.join(named),
    }
}

/// What VLC's settings say of its HTTP interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Http {
    pub(super) port: Option<u16>,
    pub(super) password: Option<String>,
}

impl Http {
    /// As VLC's vlcrc says: lines that begin with `#` are what holds anyway.
    pub(super) fn of_conf(text: &str) -> Self {
        let mut http = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.trim().split_once('=')) {
            http.take(key.trim(), value.trim());
        }
        http
    }

    /// As VLC's command line says, on top of this.
    pub(super) fn or_words(mut self, words: &[String]) -> Self {
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            let Some(word) = word.strip_prefix("--") else { continue };
            match word.split_once('=') {
                Some((key, value)) => self.take(key, value),
                None => {
                    if let Some(value) = words.peek() {
                        self.take(word, value);
                    }
                }
            }
        }
        self
    }

    fn take(&mut self, key: &str, value: &str) {
        match key {
            "http-port" => self.port = value.parse().ok().filter(|&port| port != 0).or(self.port),
            "http-password" if !value.is_empty() => self.password = Some(value.to_owned()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn mpvs_socket_is_what_its_command_line_or_its_settings_say_last() {
        for (line, socket) in [
            ("mpv film.mkv", None),
            ("mpv --input-ipc-server=/tmp/a film.mkv", Some("/tmp/a")),
            ("mpv --input-ipc-server=/a -input-ipc-server=/b x", Some("/b")),
            ("mpv -- --input-ipc-server=/tmp/a", None),
            ("mpv --input-ipc-server= x", None),
        ] {
            assert_eq!(socket_of_words(&words(line)), socket, "{line}");
        }
        for (conf, socket) in [
            ("", None),
            (
                "hwdec=auto\ninput-ipc-server=/tmp/mpvsocket # for AuraLync\n",
                Some("/tmp/mpvsocket"),
            ),
            ("input-ipc-server = \"/tmp/a b\"\n", Some("/tmp/a b")),
            ("#input-ipc-server=/tmp/a\n", None),
            ("[profile]\ninput-ipc-server=/tmp/a\n", None),
            ("input-ipc-server=\"\n", None),
        ] {
            assert_eq!(socket_of_conf(conf), socket, "{conf}");
        }
        let folders = (Path::new("/home/me"), Path::new("/conf/mpv"));
        let path = |named| socket_path(named, folders, Path::new("/films"));
        assert_eq!(path("/tmp/a"), Path::new("/tmp/a"));
        assert_eq!(path("~~/socket"), Path::new("/conf/mpv/socket"), "beside its mpv.conf");
        assert_eq!(path("~~home/socket"), Path::new("/conf/mpv/socket"));
        assert_eq!(path("~/socket"), Path::new("/home/me/socket"));
        assert_eq!(path("socket"), Path::new("/films/socket"));
    }

    #[test]
    fn vlcs_port_and_password_stand_in_its_settings_or_its_command_line() {
        let conf = Http::of_conf("[lua]\nhttp-password=pw\n#http-port=8080\nhttp-host=x\n");
        assert_eq!(conf, Http { port: None, password: Some("pw".to_owned()) });
        let line = words("vlc --http-port 9090 --http-password=other --http-port=0 film.mkv");
        let both = conf.clone().or_words(&line);
        assert_eq!(both, Http { port: Some(9090), password: Some("other".to_owned()) });
        assert_eq!(conf.clone().or_words(&words("vlc film.mkv --http-port")), conf);
    }
}
