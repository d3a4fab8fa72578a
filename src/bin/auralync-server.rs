//! `auralync-server`: flags → settings → serve → exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use auralync::Broadcaster;
use auralync::addresses;
use auralync::engine::config;
use auralync::preset;
use auralync::program::{self, print};
use auralync::qr;
use auralync::self_test::Wanted;
use auralync::send::{Server, room_link};
use auralync::service;
use auralync::settings::service::{ServerService, as_typed, is_meant};
use auralync::settings::{ServerArgs, ServerEngine, ServerSettings, parse};
use auralync::stats::StatsTarget;
use auralync::status;
use zeroize::Zeroizing;

const NAME: &str = "auralync-server";

fn main() -> ExitCode {
    let words = program::words();
    if is_meant(&words) {
        return program::run(NAME, &words, |command: ServerService| {
            let said = service::run(service::Program::Server, command.order(), agree)?;
            said.into_iter().for_each(print);
            Ok(())
        });
    }
    if ServerEngine::is_meant(&words) {
        return program::run(NAME, &words, |command: ServerEngine| {
            config::write(&command.wanted())?.into_iter().for_each(print);
            Ok(())
        });
    }
    program::run(NAME, &words, |args: ServerArgs| {
        let settings = args.settings()?;
        program::show_log(NAME, settings.level);
        if settings.list_devices {
            return program::list_devices();
        }
        if settings.self_test {
            return program::self_test(&Wanted::of(&settings), settings.level);
        }
        if let Some(name) = &settings.print_preset {
            print(preset::print(name)?.trim_end());
            return Ok(());
        }
        if settings.show_link {
            // Even into a file: it was asked for.
            print(&*room_link(&settings, settings.preset.port, settings.web)?);
            return Ok(());
        }
        let shutdown = program::stop_on_signals()?;
        // What is piped in may be long in coming.
        let opened = settings.clone();
        let opened = program::unless_stopped(&shutdown, move || Server::open(opened))?;
        let Some(mut server) = opened else { return Ok(()) };
        greet(&settings, &server)?;
        show_page(&settings, &server);
        server.show_on(program::status(settings.level, settings.stats.as_ref()));
        Broadcaster::start(server, shutdown)?.wait()
    })
}

/// Whether the server could be started with these flags.
fn agree(flags: &[OsString]) -> auralync::Result<()> {
    parse::<ServerArgs>(&as_typed(NAME, flags))?.settings().map(drop)
}

/// Whether the page is to open in this PC's browser.
fn opens(settings: &ServerSettings) -> bool {
    settings.opens.unwrap_or_else(program::is_double_clicked)
}

/// Opens the page in this PC's browser, where that was asked for.
fn show_page(settings: &ServerSettings, server: &Server) {
    let here = |port| addresses::page_here(settings.preset.bind, port);
    if opens(settings)
        && let Some(url) = server.web_port().and_then(here)
    {
        program::open_page(url);
    }
}

/// Tells the person at the server what their listeners must type. With `--stats -` stdout is for
/// the statistics alone.
fn greet(settings: &ServerSettings, server: &Server) -> auralync::Result<()> {
    if settings.stats == Some(StatsTarget::Stdout) || settings.level < log::LevelFilter::Info {
        return Ok(());
    }
    let delay_ms = server.playout_delay_ms();
    let mut preset = settings.origin.to_string();
    if preset != settings.preset_name {
        preset = format!("{}, {preset}", settings.preset_name);
    }
    print(format_args!(
        "“{}” sends {}, {} (preset {preset})",
        settings.name,
        server.source_name(),
        server.format(),
    ));
    let (local, default_route) = addresses::here();
    print("Listeners type:");
    let port = server.address()?.port();
    for command in addresses::commands(&local, default_route, settings.preset.bind, port) {
        print(format_args!("    {command}"));
    }
    let seen = status::is_seen(&std::io::stdout());
    let page = server
        .web_port()
        .map(|port| addresses::page(&local, default_route, settings.preset.bind, port));
    if let Some(page) = &page {
        print(page.invitation());
    }
    let mut code = page.filter(|page| page.is_for_others).map(|page| Zeroizing::new(page.url));
    if settings.private {
        // A new key was made already.
        let settings = ServerSettings { new_key: false, ..settings.clone() };
        let link = room_link(&settings, port, server.web_port())?;
        if seen {
            print("The room is private. Whoever has this link may come in:");
            print(format_args!("    {}", *link));
            if let Some(code) = server.code() {
                print("For one person, within ten minutes, this code does as well:");
                print(format_args!("    {}", *code.spoken()));
            }
        } else {
            print(
                "The room is private. auralync-server --show-link prints the link that lets people in.",
            );
        }
        code = code.map(|_| link);
    }
    if let Some(port) = server.snapcast_port() {
        print(format_args!("Snapclients join at port {port}"));
    }
    if let Some((secure, fingerprint)) = server.secure_page() {
        let page = addresses::page(&local, default_route, settings.preset.bind, secure).secure();
        // The link is the same but for the page that it opens.
        let behind = code.as_ref().filter(|_| settings.private && seen);
        let behind = behind.and_then(|link| Some(link.get(link.find(['?', '#'])?..)?.to_owned()));
        let url = Zeroizing::new(page.url + &Zeroizing::new(behind.unwrap_or_default()));
        print(format_args!("To talk from a phone, open {}", *url));
        print(
            "and go on where the browser warns. It shows this SHA-256 fingerprint of the certificate:",
        );
        print(format_args!("    {fingerprint}"));
    }
    if settings.qr
        && seen
        && let Some(code) = code.and_then(|code| qr::terminal(&code, status::columns()))
    {
        print(code.trim_end());
    }
    if settings.preset.auto_delay {
        print("The delay becomes the shortest that all who listen can hold.");
    }
    print(match settings.players.are_wanted() {
        true => format!(
            "Listeners hear {delay_ms} ms later than this PC plays, and so late comes the picture of players here."
        ),
        false => addresses::lip_sync_hint(delay_ms),
    });
    let opens = opens(settings);
    if opens && settings.private && server.web_port().is_some() {
        print(
            "The page that opens in this PC's browser asks for the link: it stands in no address that is opened.",
        );
    }
    print(match opens || program::is_double_clicked() {
        true => "Closing this window ends the sound for everybody, and so does Ctrl-C.",
        false => "Ctrl-C stops.",
    });
    Ok(())
}
