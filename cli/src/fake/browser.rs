//! Opens the app's login page in the user's browser, once the app accepts connections.

use std::{process::Stdio, time::Duration};

use actix_salesforce::Config;
use tokio::{net::TcpStream, process::Command, time::sleep};
use url::Url;

use super::environment::Environment;
use crate::failure::Failure;

/// Time between two attempts to connect to an app that starts or is still compiled.
const PAUSE: Duration = Duration::from_millis(100);

/// Returns the login page of an app with these variables.
pub(super) fn login_page(environment: &Environment) -> Result<Url, Failure> {
    let help = "correct the settings, or leave out `--open`";
    let plan = Config::from_variables(|name| environment.value(name))
        .plan()
        .map_err(|error| Failure::of("`--open` finds no login page", &error).help(help))?;
    plan.login_route.ok_or_else(|| Failure::new("`--open` finds no login page").help(help))
}

/// Waits until the page's server accepts connections, and opens it. Ends with the browser's command.
pub(super) async fn open(page: Url) {
    while !is_there(&page).await {
        sleep(PAUSE).await;
    }
    let mut command = browser();
    command.arg(page.as_str()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let failure = match command.status().await {
        Ok(status) if status.success() => return,
        Ok(status) => Failure::new(format_args!("the browser could not be opened: {status}")),
        Err(error) => Failure::of("the browser could not be opened", &error),
    };
    failure.help(format!("open {page} by hand, or name a browser in BROWSER")).warn();
}

async fn is_there(page: &Url) -> bool {
    let Ok(addresses) = page.socket_addrs(|| None) else { return false };
    TcpStream::connect(addresses.as_slice()).await.is_ok()
}

/// The program in BROWSER, as for `cargo doc --open`, else the system's own.
fn browser() -> Command {
    if let Some(named) = std::env::var_os("BROWSER").filter(|named| !named.is_empty()) {
        return Command::new(named);
    }
    if cfg!(target_os = "macos") {
        Command::new("open")
    } else if cfg!(windows) {
        // The shell's `start` would take the `&` of a URL for the end of its command.
        let mut command = Command::new("rundll32");
        command.arg("url.dll,FileProtocolHandler");
        command
    } else {
        Command::new("xdg-open")
    }
}
