//! Each error says what to do next.

use std::fs;

use crate::program::{ended, program};

#[test]
fn each_error_of_settings_files_and_folders_has_a_next_step() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::create_dir(path("folder")).unwrap();
    fs::write(path("binary.rs"), [0xff, 0xfe, 0x00]).unwrap();
    fs::write(path("file"), "").unwrap();
    let instance = ("SF_ORG_INSTANCE_URL", "https://acme.my.salesforce.com");
    let token = ("SF_ACCESS_TOKEN", "00Dx0000000BV7z!AR8");
    let (taken, binary, inside) = (path("folder"), path("binary.rs"), path("file/pages"));
    for (variables, arguments, help) in [
        (
            &[token, instance, ("SALESFORCE_API_PROXY", "ftp://h")][..],
            &["types", "Account"][..],
            "it has the form http://",
        ),
        (
            &[token, instance, ("SALESFORCE_API_VERSION", "sixty")],
            &["types", "Account"],
            "a version such as 66.0",
        ),
        (&[token, ("SF_ORG_INSTANCE_URL", "acme")], &["types", "Account"], "it has the form https://"),
        (&[("SF_ACCESS_TOKEN", "a\nb"), instance], &["types", "Account"], "`sf org auth show-access-token`"),
        (&[], &["types", "--out", &taken, "Account"], "it is a folder"),
        (&[], &["types", "--out", &binary, "Account"], "not a text in UTF-8"),
        (&[], &["man", "--out", &inside], "a folder that this user may write to"),
        (
            &[],
            &["app-metadata", "--contact-email", "ops@acme.example", "--out", &inside],
            "and that is no file",
        ),
        (
            &[],
            &["app-metadata", "--contact-email", "ops@acme.example", "--certificate", &taken],
            "it is a folder",
        ),
        (
            &[],
            &["app-metadata", "--contact-email", "ops@acme.example", "--certificate", "no-such.pem"],
            "correct the path",
        ),
    ] {
        let mut command = program(arguments);
        let refused = ended(command.envs(variables.iter().copied()).output().unwrap());
        assert_eq!(refused.status, 2, "{arguments:?}: {refused:?}");
        let (message, next_step) =
            refused.stderr.split_once("  help: ").unwrap_or_else(|| panic!("{refused:?}"));
        assert!(message.starts_with("error: ") && next_step.contains(help), "{help}: {refused:?}");
    }
}

/// `/dev/full` takes nothing.
#[cfg(target_os = "linux")]
#[test]
fn an_output_that_takes_nothing_is_named() {
    for arguments in [&["completions", "bash"][..], &["man"], &["doctor", "--json", "--no-login"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let child = program(arguments).stdout(full).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let refused = ended(child.wait_with_output().unwrap());
        assert!(
            refused.status == 2 && refused.stderr.contains("help: check where the output goes to"),
            "{refused:?}"
        );
    }
}

/// `actix-salesforce doctor | head -1`
#[cfg(unix)]
#[test]
fn a_reader_that_has_enough_is_no_error() {
    for arguments in [
        &["completions", "bash"][..],
        &["man"],
        &["doctor", "--no-login"],
        &["doctor", "--json", "--no-login"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = program(arguments).stdout(writer).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let done = ended(child.wait_with_output().unwrap());
        // Of the doctor: no client id is set.
        assert!((done.status < 2 || arguments[0] != "doctor") && !done.stderr.contains("error:"), "{done:?}");
    }
}
