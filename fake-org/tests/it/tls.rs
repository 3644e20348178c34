//! https with the org's certificate authority.
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use reqwest::{Certificate, Client};
use salesforce_fake_org::{FakeOrg, Fault, Route};
use serde_json::Value;

fn trusting(pem: &str) -> Client {
    let ca = Certificate::from_pem(pem.as_bytes()).unwrap();
    Client::builder().tls_certs_only([ca]).no_proxy().build().unwrap()
}

#[tokio::test]
async fn clients_that_trust_its_authority_are_served_and_others_are_not() {
    let org = FakeOrg::builder().tls(true).start().await.unwrap();
    assert!(org.login_url().starts_with("https://127.0.0.1:") && org.instance_url().starts_with("https://"));
    let http = trusting(org.ca_pem().unwrap());
    let keys = http.get(format!("{}/id/keys", org.login_url())).send().await.unwrap();
    assert_eq!(keys.status(), 200);
    let localhost = org.login_url().replace("127.0.0.1", "localhost");
    assert_eq!(http.get(format!("{localhost}/id/keys")).send().await.unwrap().status(), 200);
    let stranger = Client::builder().no_proxy().build().unwrap();
    assert!(stranger.get(format!("{}/id/keys", org.login_url())).send().await.is_err());
    for fault in [Fault::ResetBeforeResponse, Fault::ResetMidStatus, Fault::ResetMidHead] {
        org.faults().at(Route::Jwks, fault.clone().once());
        let response = http.get(format!("{}/id/keys", org.login_url())).send().await;
        assert!(response.is_err(), "{fault:?} strikes here too");
    }
    assert_eq!(FakeOrg::start().await.unwrap().ca_pem(), None);
}

#[tokio::test]
async fn the_program_names_the_authoritys_file() {
    let mut process = Command::new(env!("CARGO_BIN_EXE_fake-org"))
        .args(["--port", "0", "--tls"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let file = ready["ca_file"].as_str().unwrap().to_owned();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode =
            |path: &std::path::Path| std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
        let path = std::path::Path::new(&file);
        assert_eq!((mode(path), mode(path.parent().unwrap())), (0o600, 0o700), "only this user reads it");
    }
    let http = trusting(&std::fs::read_to_string(&file).unwrap());
    let url = format!("{}/services/data/", ready["instance_url"].as_str().unwrap());
    assert_eq!(http.get(url).send().await.unwrap().status(), 200);
    let killed = Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap();
    assert!(killed.success() && process.wait().unwrap().success());
    assert!(!std::path::Path::new(&file).parent().unwrap().exists(), "the folder goes with the program");
}

/// Another user of the machine may know the name: what is there already, a link too, is not written through.
#[cfg(unix)]
#[test]
fn the_authoritys_file_follows_no_link() {
    let temp = std::env::temp_dir().join(format!("fake-org-test-{}", std::process::id()));
    std::fs::create_dir_all(&temp).unwrap();
    let victim = temp.join("victim");
    std::fs::create_dir(&victim).unwrap();
    // The program's id is not known before it runs: `exec` keeps the shell's.
    let script = "ln -s \"$1\" \"$TMPDIR/fake-org-$$-0\"; ln -s \"$1/file\" \"$TMPDIR/fake-org-ca-$$.pem\"; \
                  exec \"$0\" --port 0 --rows 1 --tls";
    let mut process = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_fake-org"), victim.to_str().unwrap()])
        .env("TMPDIR", &temp)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let written = std::fs::read_dir(&victim).unwrap().count();
    let file = std::fs::canonicalize(ready["ca_file"].as_str().unwrap()).unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    std::fs::remove_dir_all(&temp).unwrap();
    assert_eq!(written, 0, "nothing is written through the link");
    assert!(!file.starts_with(&victim));
}
