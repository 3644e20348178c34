//! `fake -- COMMAND`

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::program::{PROGRAM, ended, program, run};

fn shell(script: &str) -> Vec<String> {
    ["fake", "--rows", "1", "--", "sh", "-c", script].map(str::to_owned).into()
}

#[test]
fn the_command_gets_the_variables_of_an_org_that_is_there() {
    let script = "curl -s -o /dev/null -w '%{http_code}' \"$SALESFORCE_LOGIN_URL/.well-known/openid-configuration\"; \
                  echo \" $SALESFORCE_SERVICE_URL ${SALESFORCE_CLIENT_ID:+id} ${SALESFORCE_CLIENT_SECRET:+secret} $SALESFORCE_PUBSUB_URL\"";
    let ended = run(shell(script));
    assert_eq!(ended.status, 0, "{ended:?}");
    let words: Vec<&str> = ended.stdout.split_whitespace().collect();
    assert!(
        matches!(words.as_slice(), ["200", url, "id", "secret", events]
            if [url, events].iter().all(|url| url.starts_with("http://127.0.0.1:"))),
        "{ended:?}"
    );
}

#[test]
fn the_exit_status_is_that_of_the_command() {
    assert_eq!(run(shell("exit 0")).status, 0);
    assert_eq!(run(shell("exit 7")).status, 7);
    assert_eq!(run(shell("kill -KILL $$")).status, 137);
}

#[test]
fn a_command_that_is_not_there_is_wrong_use_with_a_next_step() {
    for (command, expected) in [
        ("no-such-program", "no folder of PATH has a program `no-such-program`"),
        ("./target/no-such-app", "build it first"),
        ("cargo run", "`fake -- cargo run`"),
        ("/", "chmod +x"),
    ] {
        let ended = run(["fake", "--rows", "1", "--quiet", "--", command]);
        assert_eq!(ended.status, 2, "{ended:?}");
        assert!(
            ended.stderr.starts_with("error: cannot run ") && ended.stderr.contains(expected),
            "{ended:?}"
        );
    }
}

#[test]
fn variables_of_another_org_do_not_reach_the_command() {
    let script = "echo \"$SALESFORCE_CLIENT_ID|$SALESFORCE_SERVICE_KEY|$SALESFORCE_ALLOWED_ORGS|$SF_ACCESS_TOKEN|$SALESFORCE_STORE\"";
    let mut command = program(shell(script));
    command
        .env("SALESFORCE_CLIENT_ID", "3MVG9real")
        .env("SALESFORCE_SERVICE_KEY", "-----BEGIN of a secret")
        .env("SALESFORCE_ALLOWED_ORGS", "00Dx0000000BV7z")
        .env("SF_ACCESS_TOKEN", "00Dx0000000BV7z!real")
        .env("SALESFORCE_STORE", "memory:");
    let ended = ended(command.output().unwrap());
    assert!(ended.stdout.trim_end().ends_with("||||memory:") && !ended.stdout.contains("real"), "{ended:?}");
    for line in [
        "Replaces SALESFORCE_CLIENT_ID of your environment",
        "Leaves out SALESFORCE_ALLOWED_ORGS, SALESFORCE_SERVICE_KEY, SF_ACCESS_TOKEN of your environment",
    ] {
        assert!(ended.stderr.contains(line), "{line}: {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("secret") && !ended.stderr.contains("real"), "{}", ended.stderr);
}

/// Each variable of the settings page either says how the app works, or what the org has to say.
#[test]
fn no_variable_of_another_org_reaches_the_command() {
    /// How the app works, at whatever org.
    const KEPT: [&str; 16] = [
        "SALESFORCE_ALLOW_MY_DOMAIN",
        "SALESFORCE_ALLOW_SANDBOXES",
        "SALESFORCE_API_VERSION",
        "SALESFORCE_CACHE_LOGINS",
        "SALESFORCE_COOKIE_NAME",
        "SALESFORCE_IDLE_TIMEOUT",
        "SALESFORCE_KEEP_BROKEN",
        "SALESFORCE_KEYS",
        "SALESFORCE_LOGIN_TIMEOUT",
        "SALESFORCE_MAX_LIFETIME",
        "SALESFORCE_RECHECK",
        "SALESFORCE_REMEMBER",
        "SALESFORCE_REVOKE_ON_LOGOUT",
        "SALESFORCE_SCOPES",
        "SALESFORCE_SINGLE_LOGOUT",
        "SALESFORCE_STORE",
    ];
    let page = include_str!("../../../docs/settings.md");
    let words = page.split(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_');
    let names: std::collections::BTreeSet<_> = words.filter(|word| word.starts_with("SALESFORCE_")).collect();
    let mut command = program(["fake", "--rows", "1", "--quiet", "--", "env"]);
    // Another org's, in a form that the scopes have, too.
    command.envs(names.iter().map(|name| (name, "of_another_org")));
    let ended = ended(command.output().unwrap());
    let reached = ended.stdout.lines().filter_map(|line| line.strip_suffix("=of_another_org"));
    let mut reached: Vec<_> = reached.filter(|name| name.starts_with("SALESFORCE_")).collect();
    reached.sort_unstable();
    assert_eq!(reached, KEPT, "{ended:?}");
}

#[test]
fn the_orgs_app_has_the_scopes_that_the_settings_ask_for() {
    let script = "curl -s -o /dev/null -w '%{redirect_url}' \"$SALESFORCE_LOGIN_URL/services/oauth2/authorize?\
                  response_type=code&client_id=$SALESFORCE_CLIENT_ID&redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2F&\
                  scope=api%20chatter_api&code_challenge_method=S256&\
                  code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM\"";
    assert!(run(shell(script)).stdout.contains("invalid_scope"));
    let mut command = program(shell(script));
    let asked = ended(command.env("SALESFORCE_SCOPES", "api chatter_api refresh_token").output().unwrap());
    assert!(asked.status == 0 && !asked.stdout.contains("invalid_scope"), "{asked:?}");
}

#[test]
fn the_banner_says_where_the_org_is_and_who_logs_in() {
    let ended = run(shell("true"));
    assert!(ended.stdout.is_empty(), "{ended:?}");
    for part in
        ["Fake org http://127.0.0.1:", "Log in as ada@example.com, password ", "4 more with `--verbose`"]
    {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    assert_eq!(run(["fake", "--rows", "1", "--quiet", "--", "true"]).stderr, "");
    let verbose = run(["fake", "--rows", "1", "--verbose", "--", "true"]).stderr;
    assert!(
        verbose.contains("SALESFORCE_LOGIN_URL=http://") && verbose.contains("ben@example.com"),
        "{verbose}"
    );
}

#[test]
fn loaded_objects_are_in_the_org_and_a_bad_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("org.json"), folder.path().join("bad.json"));
    std::fs::write(
        &good,
        r#"{"objects":[{"name":"Crate__c"}],"users":[{"username":"zoe@example.com","last_name":"Zed"}]}"#,
    )
    .unwrap();
    std::fs::write(&bad, "{").unwrap();
    let load = |file: &std::path::Path| {
        run(["fake", "--verbose", "--rows", "1", "--load", file.to_str().unwrap(), "--", "true"])
    };
    assert!(load(&good).stderr.contains("zoe@example.com"));
    let refused = load(&bad);
    assert!(refused.status == 2 && refused.stderr.contains("bad.json"), "{refused:?}");
}

/// Starts a command that prints the org's address, and waits.
fn started(script: &str) -> (Child, u16) {
    let mut child = program(shell(script)).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let line = line_of(&mut child);
    (child, line.rsplit(':').next().unwrap().parse().unwrap())
}

/// Reads byte by byte: a buffer would take what comes after the line.
#[expect(clippy::unbuffered_bytes, reason = "it is a short line")]
fn line_of(child: &mut Child) -> String {
    let bytes = child.stdout.as_mut().unwrap().bytes().map(Result::unwrap);
    String::from_utf8(bytes.take_while(|byte| *byte != b'\n').collect()).unwrap()
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal).unwrap();
}

#[test]
fn a_signal_ends_the_command_and_then_the_org() {
    for (sent, status) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let (mut child, port) = started("echo \"$SALESFORCE_LOGIN_URL\"; exec sleep 30");
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
        signal(&child, sent);
        assert_eq!(child.wait().unwrap().code(), Some(status));
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "the org outlives the command");
    }
}

#[test]
fn a_signal_ends_what_the_command_started_too() {
    // The shell does not end its child, which holds standard output open for as long as it lives.
    let (mut child, _) = started("sleep 30 & echo \"$SALESFORCE_LOGIN_URL\"; wait");
    let begin = Instant::now();
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(143));
    child.stdout.take().unwrap().read_to_end(&mut Vec::new()).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(20), "the command's child outlives it");
}

#[test]
fn a_command_may_end_cleanly_on_sigterm_and_is_killed_by_the_second_one() {
    let (mut child, _) =
        started("trap 'exit 3' TERM; echo \"$SALESFORCE_LOGIN_URL\"; while :; do sleep 0.05; done");
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(3));

    let (mut child, port) =
        started("trap 'echo told' TERM; echo \"$SALESFORCE_LOGIN_URL\"; while :; do sleep 0.05; done");
    signal(&child, Signal::TERM);
    let told = line_of(&mut child);
    assert!(told == "told" && TcpStream::connect(("127.0.0.1", port)).is_ok(), "{told}");
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(137));
}

/// Runs a command with `--open`, for an app at this port. It ends with its standard input, or after 20 seconds.
fn opening(browser: &Path, port: u16) -> Child {
    let mut command = program([
        "fake",
        "--open",
        "--quiet",
        "--rows",
        "1",
        "--",
        "sh",
        "-c",
        "echo ready; timeout 20 cat; exit 6",
    ]);
    command.env("BROWSER", browser).env("SALESFORCE_PUBLIC_URL", format!("http://127.0.0.1:{port}"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn the_login_page_is_opened_once_the_app_accepts_connections() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (browser, opened) = (folder.path().join("browser"), folder.path().join("opened"));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let script = format!("#!/bin/sh\necho \"$1\" >'{0}.new'; mv '{0}.new' '{0}'\n", opened.display());
    std::fs::write(&browser, script).unwrap();
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).unwrap();

    let mut child = opening(&browser, port);
    assert_eq!(line_of(&mut child), "ready");
    // Long enough for a browser that is opened too early.
    std::thread::sleep(Duration::from_millis(300));
    assert!(!opened.exists(), "no app is there");
    let _app = TcpListener::bind(("127.0.0.1", port)).unwrap();
    while !opened.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        std::thread::sleep(Duration::from_millis(5));
    }
    let expected = format!("http://127.0.0.1:{port}/auth/salesforce/login\n");
    assert_eq!(std::fs::read_to_string(&opened).unwrap(), expected);
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(6));
}

#[test]
fn a_browser_that_cannot_be_opened_is_a_warning_with_the_address() {
    let app = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = app.local_addr().unwrap().port();
    let mut child = opening(Path::new("/no/such/browser"), port);
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let warning = stderr.next().unwrap();
    assert!(warning.starts_with("warning: the browser could not be opened: "), "{warning}");
    let help = stderr.next().unwrap();
    assert!(help.contains(&format!("open http://127.0.0.1:{port}/auth/salesforce/login by hand")), "{help}");
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(6), "the command went on");
}

#[test]
fn settings_without_a_login_page_are_wrong_use_of_open() {
    let mut command = program(["fake", "--open", "--quiet", "--rows", "1", "--", "true"]);
    let refused = ended(command.env("SALESFORCE_STORE", "mysql://h").output().unwrap());
    assert!(refused.status == 2 && refused.stderr.contains("`--open` finds no login page"), "{refused:?}");
    assert!(refused.stderr.contains("SALESFORCE_STORE"), "{refused:?}");
}

/// `script` gives the program a terminal. A terminal sends Ctrl-C to each process in the foreground.
#[test]
fn ctrl_c_reaches_a_command_at_a_terminal_once_and_its_status_is_passed_on() {
    let inner = "trap 'echo told; sleep 0.2; exit 5' INT; echo ready; read line; echo \"read $line\"; \
                 while :; do sleep 0.05; done";
    let line = format!(
        "exec '{PROGRAM}' fake --quiet --rows 1 -- sh -c \"{}\"",
        inner.replace('"', "\\\"").replace('$', "\\$")
    );
    let mut terminal = Command::new("script");
    terminal
        .args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"])
        .env("SHELL", "/bin/sh");
    let mut terminal = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut read_to = |text: &str| while !line_of(&mut terminal).contains(text) {};
    read_to("ready");
    terminal.stdin.as_mut().unwrap().write_all(b"hello\n").unwrap();
    let mut read_to = |text: &str| while !line_of(&mut terminal).contains(text) {};
    read_to("read hello");
    terminal.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    let rest = terminal.wait_with_output().unwrap();
    let told = String::from_utf8(rest.stdout).unwrap().matches("told").count();
    assert_eq!((rest.status.code(), told), (Some(5), 1));
}
